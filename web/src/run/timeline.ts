/** A run's nodes as bars along its time. */

import type { RunState } from "../live/state"

export interface Bar {
  key: string
  id: string
  path: string
  status: string
  begin: number
  end: number
  /** The number of attempts, where more than one. */
  attempts: number
}

export interface Span {
  begin: number
  end: number
}

/** The bars of all nodes that have begun, by when they did; what has not ended goes on to `now`. */
export function barsOf(run: RunState, now: number): Bar[] {
  const bars: Bar[] = []
  for (const [key, node] of run.nodes) {
    if (node.startedAt === null) continue
    bars.push({
      key,
      id: node.id,
      path: node.path,
      status: node.status,
      begin: node.startedAt,
      end: Math.max(node.startedAt, node.finishedAt ?? run.finishedAt ?? now),
      attempts: node.attempt,
    })
  }
  // those of a container's body stand below it, for they begin after it; the sort is stable
  return bars.sort((one, other) => one.begin - other.begin)
}

export function spanOf(run: RunState, bars: readonly Bar[], now: number): Span {
  const begin = Math.min(run.startedAt ?? now, ...bars.slice(0, 1).map((bar) => bar.begin))
  const end = run.finishedAt ?? now
  return { begin, end: Math.max(end, begin + 1) }
}

const STEPS = [1, 2, 5, 10, 20, 50, 100, 200, 500]
const LONGER = [1, 2, 5, 10, 15, 30].map((s) => s * 1000)
const MINUTES = [1, 2, 5, 10, 15, 30].map((m) => m * 60_000)
const HOURS = [1, 2, 6, 12, 24, 48, 168, 720].map((h) => h * 3_600_000)
const ALL = [...STEPS, ...LONGER, ...MINUTES, ...HOURS]

/** Where to draw lines: at most `most` of them, at round distances from the beginning. */
export function ticks(length: number, most = 8): number[] {
  const step = ALL.find((one) => length / one <= most) ?? Math.ceil(length / most)
  const marks: number[] = []
  for (let at = step; at < length; at += step) marks.push(at)
  return marks
}
