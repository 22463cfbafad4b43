import type { Usage } from "../live/events"
import type { Tone } from "../ui/Badge"

/** "420 ms", "3.2 s", "1 min 20 s", "2 h 5 min", "3 d 4 h". */
export function duration(ms: number): string {
  if (ms < 0) return "0 ms"
  if (ms < 1000) return `${Math.round(ms)} ms`
  const seconds = ms / 1000
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`
  const whole = Math.round(seconds)
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return pair(whole, 60, "min", 1, "s")
  if (whole < 86_400) return pair(whole, 3600, "h", 60, "min")
  return pair(whole, 86_400, "d", 3600, "h")
}

function pair(seconds: number, large: number, one: string, small: number, other: string): string {
  const rest = Math.floor((seconds % large) / small)
  const first = `${Math.floor(seconds / large)} ${one}`
  return rest === 0 ? first : `${first} ${rest} ${other}`
}

/** US dollars to what matters of them: "$0", "$0.000073", "$0.02", "$1.50". */
export function money(usd: number): string {
  if (usd === 0) return "$0"
  if (usd >= 0.01) return `$${usd.toFixed(2)}`
  return `$${Number(usd.toPrecision(2)).toFixed(Math.min(10, 1 - Math.floor(Math.log10(usd))))}`
}

const compact = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 })

export const count = (value: number): string => compact.format(value)

export function tokens(usage: Usage): string {
  const total = usage.prompt_tokens + usage.completion_tokens
  return `${count(total)} ${total === 1 ? "token" : "tokens"}`
}

export const TONES: Record<string, Tone> = {
  queued: "neutral",
  pending: "neutral",
  running: "info",
  waiting: "warn",
  paused: "warn",
  succeeded: "ok",
  failed: "error",
  timed_out: "error",
  cancelled: "neutral",
  skipped: "neutral",
}

/** "timed_out" as people write it. */
export function statusLabel(status: string): string {
  const words = status.replaceAll("_", " ")
  return words.slice(0, 1).toUpperCase() + words.slice(1)
}

const REASONS: Record<string, string> = {
  branch_not_taken: "Another branch was taken",
  join_not_met: "Too few of the branches before it were taken",
  execution_failed: "The run failed before",
  execution_cancelled: "The run was cancelled",
  execution_timed_out: "The run's time was up",
  tool_not_called: "The model did not call this tool",
  not_cancelled: "It did not end when it was cancelled",
  lost_race: "Another branch was faster",
  cleanup_timed_out: "It did not end in time when it was cancelled",
}

/** Why a node was skipped or cancelled. */
export const reasonText = (reason: string): string => REASONS[reason] ?? statusLabel(reason)

const WAITS: Record<string, string> = {
  no_worker: "No worker is there for what comes next: it goes on as soon as one is",
  concurrency: "Waits for another run to end",
  starting: "A worker is about to take it",
  start_at: "Begins later",
}

export const waitText = (reason: string): string => WAITS[reason] ?? statusLabel(reason)

/** A value as it is shown: text as it is, anything else as JSON. */
export function shown(value: unknown): string {
  if (typeof value === "string") return value
  return value === undefined ? "" : JSON.stringify(value, null, 2)
}
