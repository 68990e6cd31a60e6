// SPDX-License-Identifier: MIT
/** Ranges of pages as invalidations take them: blocks of 2^n pages, naturally aligned. */

/** Pages of the largest such block that starts at the page and is not longer than `pages`. */
export function blockAt(page: number, pages: number): number {
  let size = 1
  while (size * 2 <= pages && page % (size * 2) === 0) size *= 2
  return size
}

/** Blocks that make up the range exactly; counting stops past `most`. */
export function blocksOf(firstPage: number, pages: number, most: number): number {
  let count = 0
  const end = firstPage + pages
  for (let page = firstPage; page < end && count <= most; page += blockAt(page, end - page)) count++
  return count
}

/** log2 of the pages of the smallest single block around the range. */
export function coveringOrder(firstPage: number, pages: number): number {
  const last = firstPage + pages - 1
  let order = 0
  for (let size = 1; Math.floor(firstPage / size) !== Math.floor(last / size); size *= 2) order++
  return order
}
