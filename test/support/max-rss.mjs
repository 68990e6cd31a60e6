// SPDX-License-Identifier: MIT
// Preloaded into a child: its last line on stderr is the most memory it ever had, in KiB.
process.on('exit', () => process.stderr.write(`max-rss ${process.resourceUsage().maxRSS}\n`))
