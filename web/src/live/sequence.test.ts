// @vitest-environment node
import { describe, expect, it } from "vitest"

import type { RunEvent } from "./events"
import { Sequence } from "./sequence"

const event = (seq: number | undefined, type = "node.started"): RunEvent => ({
  type,
  execution_id: "e",
  workflow_id: "w",
  at: "2026-01-01T00:00:00.000Z",
  ...(seq !== undefined && { seq }),
})
const seqs = (events: RunEvent[]) => events.map((one) => one.seq)

describe("Sequence", () => {
  it("holds back what comes before its place, and drops what comes twice", () => {
    const sequence = new Sequence(0)
    expect(seqs(sequence.take(event(3)))).toEqual([])
    expect(seqs(sequence.take(event(1)))).toEqual([1])
    expect(seqs(sequence.take(event(1)))).toEqual([])
    expect(seqs(sequence.take(event(2)))).toEqual([2, 3])
    expect(sequence.last).toBe(3)
  })

  it("takes a snapshot in place of all that was known, even of a higher seq", () => {
    const sequence = new Sequence(9)
    expect(seqs(sequence.take(event(12)))).toEqual([])
    expect(seqs(sequence.take(event(4, "snapshot")))).toEqual([4])
    expect(seqs(sequence.take(event(5)))).toEqual([5])
  })

  it("shows nothing before the first snapshot", () => {
    const sequence = new Sequence()
    expect(sequence.take(event(1))).toEqual([])
    expect(sequence.take(event(undefined, "llm.token"))).toEqual([])
    expect(seqs(sequence.take(event(0, "snapshot")))).toEqual([0])
    expect(sequence.take(event(undefined, "llm.token"))).toHaveLength(1)
  })

  it("forgets what came early when the connection is a new one", () => {
    const sequence = new Sequence(1)
    sequence.take(event(3))
    sequence.reconnected()
    expect(seqs(sequence.take(event(2)))).toEqual([2])
  })
})
