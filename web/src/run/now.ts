import { useSyncExternalStore } from "react"

const EVERY_MS = 250

let now = Date.now()
let timer: ReturnType<typeof setInterval> | undefined
const listeners = new Set<() => void>()

function subscribe(listener: () => void) {
  listeners.add(listener)
  timer ??= setInterval(() => {
    now = Date.now()
    for (const one of listeners) one()
  }, EVERY_MS)
  return () => {
    listeners.delete(listener)
    if (listeners.size > 0) return
    clearInterval(timer)
    timer = undefined
  }
}

const still = () => () => undefined

/** The time, in milliseconds: it goes on four times a second where `isTicking`, by one clock for
 * all that show it. */
export function useNow(isTicking: boolean): number {
  return useSyncExternalStore(isTicking ? subscribe : still, () =>
    timer === undefined ? (now = Math.floor(Date.now() / EVERY_MS) * EVERY_MS) : now,
  )
}
