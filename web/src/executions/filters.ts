import type { Schemas } from "../api/client"

export type Status = Schemas["ExecutionSummaryOut"]["status"]

export const STATUSES: Status[] = [
  "queued",
  "running",
  "waiting",
  "paused",
  "succeeded",
  "failed",
  "cancelled",
  "timed_out",
]

export const PERIODS = [1, 7, 30, 90] as const
const DEFAULT_DAYS = 30
const DAY_MS = 86_400_000

/** What of the executions is shown. `days` counts today (UTC) as one. */
export interface Filters {
  workflow: string | null
  status: Status | null
  days: number
}

export function filtersOf(params: URLSearchParams): Filters {
  const status = params.get("status") as Status | null
  const days = Number(params.get("days"))
  return {
    workflow: params.get("workflow_id"),
    status: status !== null && STATUSES.includes(status) ? status : null,
    days: (PERIODS as readonly number[]).includes(days) ? days : DEFAULT_DAYS,
  }
}

/** The beginning of the first of so many days, in UTC. */
export function sinceOf(days: number, now = Date.now()): Date {
  return new Date(Math.floor(now / DAY_MS) * DAY_MS - (days - 1) * DAY_MS)
}

/** "2026-03-01", in UTC. */
export const dayOf = (at: Date): string => at.toISOString().slice(0, 10)

/** All of the days, the oldest first. */
export function daysOf(days: number, now = Date.now()): string[] {
  const first = sinceOf(days, now).getTime()
  return Array.from({ length: days }, (_, index) => dayOf(new Date(first + index * DAY_MS)))
}
