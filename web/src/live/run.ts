/** A run that is watched: its state in a store that React reads, changed once a frame at most. */

import { createStore, type StoreApi } from "zustand/vanilla"

import type { ChannelStatus } from "./channel"
import { isFinal, type Json, type RunEvent } from "./events"
import { apply, begin, EMPTY, type RunState } from "./state"

export interface Watched {
  run: RunState
  connection: ChannelStatus
}

export type RunStore = StoreApi<Watched>

export const runStore = (): RunStore =>
  createStore<Watched>(() => ({ run: EMPTY, connection: "connecting" }))

/** Collects events and applies them together when the browser draws next. */
export class Frames {
  private waiting: RunEvent[] = []
  private frame: number | null = null

  constructor(private readonly store: RunStore) {}

  readonly take = (events: readonly RunEvent[]): void => {
    this.waiting.push(...events)
    // a hidden page draws nothing: so that its events do not pile up, they are applied at once
    if (document.visibilityState === "hidden") this.flush()
    else this.frame ??= requestAnimationFrame(this.flush)
  }

  readonly flush = (): void => {
    if (this.frame !== null) cancelAnimationFrame(this.frame)
    this.frame = null
    const events = this.waiting
    this.waiting = []
    if (events.length > 0) this.store.setState(({ run }) => ({ run: apply(run, events) }))
  }

  stop(): void {
    if (this.frame !== null) cancelAnimationFrame(this.frame)
    this.frame = null
    this.waiting = []
  }
}

/** Takes what `GET` gave: at the beginning, at the end, and each time where nothing else tells. */
export function seed(store: RunStore, shown: Json, isPolled: boolean): void {
  store.setState(({ run }) => {
    const read = begin(shown, run)
    return run === EMPTY || isPolled || isFinal(read.status) ? { run: read } : {}
  })
}
