// The sliding window of rate limits, as arithmetic: requests of this minute count whole, those of
// the minute before by the part of it that the last sixty seconds still touch.

export const MINUTE_SECS = 60;

/**
 * Whether one more request keeps within `limit`: `previous × (60 − second) / 60 + current`, itself
 * counted. Multiplied by 60, so that nothing is rounded.
 */
export function admits(previous: number, current: number, limit: number, second: number): boolean {
  return previous * (MINUTE_SECS - second) + (current + 1) * MINUTE_SECS <= limit * MINUTE_SECS;
}

/**
 * Seconds until one request would pass, if none came before it. To be asked where `admits` says no.
 * Within this minute the one before fades; from the next on, this one does.
 */
export function retryAfterSecs(
  previous: number,
  current: number,
  limit: number,
  second: number,
): number {
  if (current < limit) return fadedSecond(previous, limit - current) - second;
  return MINUTE_SECS - second + fadedSecond(current, limit);
}

/** The first second of a minute at which `count` requests before it leave room for one. */
function fadedSecond(count: number, limit: number): number {
  if (count < limit) return 0;
  return MINUTE_SECS - Math.floor(((limit - 1) * MINUTE_SECS) / count);
}
