// @vitest-environment node
import { expect, it } from "vitest"

import { begin } from "../live/state"
import { barsOf, spanOf, ticks } from "./timeline"

const at = (seconds: number) => new Date(seconds * 1000).toISOString()
const RUN = begin({
  status: "running",
  started_at: at(100),
  nodes: [
    { id: "late", status: "running", started_at: at(103) },
    { id: "first", status: "succeeded", started_at: at(100), finished_at: at(102), attempt: 3 },
    { id: "never", status: "pending" },
  ],
})

it("shows what has begun in order, and lets go on what has not ended", () => {
  const bars = barsOf(RUN, 110_000)
  expect(bars.map((bar) => [bar.id, bar.begin, bar.end, bar.attempts])).toEqual([
    ["first", 100_000, 102_000, 3],
    ["late", 103_000, 110_000, 1],
  ])
  expect(spanOf(RUN, bars, 110_000)).toEqual({ begin: 100_000, end: 110_000 })
  expect(spanOf(begin({ status: "queued", nodes: [] }), [], 5)).toEqual({ begin: 5, end: 6 })
})

it.each([
  [7, [1, 2, 3, 4, 5, 6]],
  [3_200, [500, 1000, 1500, 2000, 2500, 3000]],
  [3 * 3_600_000, [1_800_000, 3_600_000, 5_400_000, 7_200_000, 9_000_000]],
])("draws lines at round times of %d ms", (length, marks) => expect(ticks(length)).toEqual(marks))
