import type { RunEvent } from "./events"

/**
 * Puts one execution's messages in order, each `seq` once.
 *
 * Before a subscription is in force, the socket carries what the run does now, and the replay
 * repeats it: so an event may come before those that precede it. A snapshot replaces all that was
 * known, and all that follows it comes after it; events without a `seq` pass at once.
 */
export class Sequence {
  private early = new Map<number, RunEvent>()

  /** `last` is the newest `seq` that was taken; null as long as nothing is known. */
  constructor(public last: number | null = null) {}

  /** The events that may be shown now, in order. */
  take(event: RunEvent): RunEvent[] {
    if (event.type === "snapshot") {
      this.last = event.seq ?? 0
      this.early.clear()
      return [event]
    }
    if (event.seq === undefined) return this.last === null ? [] : [event]
    if (this.last === null || event.seq <= this.last) return []
    this.early.set(event.seq, event)
    return this.next(this.last)
  }

  /** A new connection: what came early on the old one comes again. */
  reconnected(): void {
    this.early.clear()
  }

  private next(last: number): RunEvent[] {
    const ready: RunEvent[] = []
    for (;;) {
      const event = this.early.get(last + 1)
      if (event === undefined) break
      this.early.delete(++last)
      ready.push(event)
    }
    this.last = last
    return ready
  }
}
