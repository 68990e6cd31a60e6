// SPDX-License-Identifier: MIT

/** What an engine has done since it was made. */
export class DmaEngineCounters {
  transfers = 0
  /** A double from the start: it passes 2^31 soon, and a field that then changes its kind costs all compiled code. */
  bytesMoved: number = Number.NaN
  pagesMoved = 0
  translationRequests = 0
  /** Translation requests repeated after a Success response. */
  retries = 0
  pageRequests = 0
  groups = 0
  /** Groups answered, by code. */
  success = 0
  invalid = 0
  failure = 0
  /** Groups dropped without a response: Response Failure of another one, Reset, removal. */
  groupsDropped = 0
  /** Responses to groups that were not outstanding. */
  unexpectedPrgi = 0
  /** Responses that came after Response Failure had shut PRI off. */
  ignoredResponses = 0
  /** Responses to groups whose transfer had been aborted. */
  lateResponses = 0
  privateDataMismatch = 0
  invalidations = 0
  stopMarkers = 0
  /** Times that a transfer had to wait for credits. */
  creditWaits = 0

  constructor() {
    this.bytesMoved = 0
  }
}
