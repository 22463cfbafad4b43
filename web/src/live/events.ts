/** What comes over the WebSocket: docs/live.md. */

export type RunStatus =
  "queued" | "running" | "waiting" | "paused" | "succeeded" | "failed" | "cancelled" | "timed_out"

export type NodeStatus =
  "pending" | "running" | "waiting" | "succeeded" | "failed" | "skipped" | "cancelled"

const FINAL: ReadonlySet<string> = new Set(["succeeded", "failed", "cancelled", "timed_out"])
const NODE_FINAL: ReadonlySet<string> = new Set(["succeeded", "failed", "skipped", "cancelled"])

/** Whether a run of that status has ended for good. */
export const isFinal = (status: RunStatus): boolean => FINAL.has(status)

/** Whether a node of that status has ended. */
export const isNodeFinal = (status: NodeStatus): boolean => NODE_FINAL.has(status)

export interface Failure {
  code: string
  message: string
  node_id?: string | null
}

export interface Usage {
  prompt_tokens: number
  completion_tokens: number
  cost_usd: number
}

export type Json = Record<string, unknown>

/** An event of a run, or `snapshot` or `gap`. Only durable ones and snapshots have a `seq`. */
export interface RunEvent {
  type: string
  execution_id: string
  workflow_id: string
  /** RFC 3339 */
  at: string
  seq?: number
  node_id?: string
  /** The iteration inside loops and maps, such as `each[3]`; absent outside. */
  path?: string
  status?: string
  attempt?: number
  data?: Json
}

/** An object, or an empty one: activities, other people's too, fill an event's data. */
export const objectOf = (value: unknown): Json =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {}

export const textOf = (value: unknown): string | null => (typeof value === "string" ? value : null)

export const numberOf = (value: unknown): number | null =>
  typeof value === "number" && Number.isFinite(value) ? value : null

export function failureOf(value: unknown): Failure | null {
  const { code, message, node_id } = objectOf(value)
  if (typeof code !== "string") return null
  return { code, message: textOf(message) ?? code, node_id: textOf(node_id) }
}

export function usageOf(value: unknown): Usage {
  const { prompt_tokens, completion_tokens, cost_usd } = objectOf(value)
  return {
    prompt_tokens: numberOf(prompt_tokens) ?? 0,
    completion_tokens: numberOf(completion_tokens) ?? 0,
    cost_usd: numberOf(cost_usd) ?? 0,
  }
}

/** Milliseconds since 1970, or null where it is no time. */
export function timeOf(value: unknown): number | null {
  const ms = typeof value === "string" ? Date.parse(value) : NaN
  return Number.isNaN(ms) ? null : ms
}
