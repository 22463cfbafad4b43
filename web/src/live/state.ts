/**
 * A run as it is shown, folded from its snapshot and its events: pure functions over values that
 * never change, so that what did not change is the same object and is not drawn again.
 */

import {
  failureOf,
  isNodeFinal,
  numberOf,
  objectOf,
  textOf,
  timeOf,
  usageOf,
  type Failure,
  type Json,
  type NodeStatus,
  type RunEvent,
  type RunStatus,
  type Usage,
} from "./events"

/** Of what a model says and of logs, the end is kept. */
export const MAX_TEXT = 20_000
export const MAX_LOGS = 2_000

export interface Attempt {
  number: number
  error: Failure | null
  /** When the next one is due, in milliseconds; null where it is under way. */
  nextAt: number | null
}

export interface NodeState {
  id: string
  /** The iteration in loops and maps, or a tool's call: empty outside. */
  path: string
  type: string
  status: NodeStatus
  reason: string | null
  attempt: number
  maxAttempts: number | null
  startedAt: number | null
  finishedAt: number | null
  output: unknown
  /** `output` is the beginning of a larger value. */
  isCut: boolean
  meta: Json
  error: Failure | null
  /** What a model has said so far. */
  text: string
  /** The attempt that says it. */
  speaks: number
  /** The attempts that failed, as far as they were watched. */
  failed: readonly Attempt[]
  /** The handles by which it left, where it said so. */
  handles: readonly string[] | null
}

export interface LogLine {
  at: number
  nodeId: string
  path: string
  stream: string
  text: string
}

export interface RunState {
  status: RunStatus
  /** Why nothing happens: `no_worker`, `concurrency`, `start_at`, `starting`. */
  waits: { reason: string; position: number | null; until: number | null } | null
  startedAt: number | null
  finishedAt: number | null
  usage: Usage
  output: unknown
  isCut: boolean
  error: Failure | null
  /** By `keyOf(id, path)`, in the graph's order. */
  nodes: ReadonlyMap<string, NodeState>
  logs: readonly LogLine[]
}

export const keyOf = (id: string, path = ""): string => (path === "" ? id : `${id} ${path}`)

export const EMPTY: RunState = {
  status: "queued",
  waits: null,
  startedAt: null,
  finishedAt: null,
  usage: usageOf(null),
  output: null,
  isCut: false,
  error: null,
  nodes: new Map(),
  logs: [],
}

export const tokensOf = (usage: Usage): number => usage.prompt_tokens + usage.completion_tokens

/** What a node's models cost, or null of a node that asks none. */
export function nodeUsage(node: NodeState): Usage | null {
  return node.meta.usage === undefined ? null : usageOf(node.meta.usage)
}

/** The run as `GET /executions/{id}` and a `snapshot` show it. */
export function begin(shown: Json, before: RunState = EMPTY): RunState {
  const nodes = new Map<string, NodeState>()
  for (const one of Array.isArray(shown.nodes) ? shown.nodes : []) {
    const node = shownNode(objectOf(one), before)
    nodes.set(keyOf(node.id, node.path), node)
  }
  const status = (textOf(shown.status) ?? "queued") as RunStatus
  const waits = objectOf(shown.queue ?? shown.waiting)
  return {
    status,
    waits:
      typeof waits.reason === "string"
        ? {
            reason: waits.reason,
            position: numberOf(waits.position),
            until: timeOf(waits.until),
          }
        : null,
    startedAt: timeOf(shown.started_at),
    finishedAt: timeOf(shown.finished_at),
    usage: usageOf(shown.usage),
    output: shown.output ?? objectOf(shown.large_output).preview ?? null,
    isCut: shown.truncated === true || shown.large_output !== undefined,
    error: failureOf(shown.error),
    nodes,
    logs: before.logs,
  }
}

/** The run after these events, which follow one another. */
export function apply(before: RunState, events: readonly RunEvent[]): RunState {
  let state = before
  let nodes: Map<string, NodeState> | null = null
  let lines: LogLine[] | null = null
  for (const event of events) {
    if (event.type === "snapshot") {
      state = begin(objectOf(event.data), nodes === null ? state : { ...state, nodes })
      nodes = null
    } else if (event.node_id === undefined) {
      state = ofRun(state, event)
    } else if (event.type === "log") {
      lines ??= [...state.logs]
      lines.push(logLine(event.node_id, event))
    } else {
      nodes ??= new Map(state.nodes)
      const key = keyOf(event.node_id, event.path)
      nodes.set(key, ofNode(nodes.get(key) ?? fresh(event.node_id, event.path ?? ""), event))
      if (event.seq !== undefined && state.waits !== null) state = { ...state, waits: null }
    }
  }
  if (nodes !== null) state = { ...state, nodes }
  if (lines !== null) state = { ...state, logs: lines.slice(-MAX_LOGS) }
  return state
}

export const fresh = (id: string, path = "", type = ""): NodeState => ({
  id,
  path,
  type,
  status: "pending",
  reason: null,
  attempt: 1,
  maxAttempts: null,
  startedAt: null,
  finishedAt: null,
  output: null,
  isCut: false,
  meta: {},
  error: null,
  text: "",
  speaks: 1,
  failed: [],
  handles: null,
})

function shownNode(shown: Json, before: RunState): NodeState {
  const id = textOf(shown.id) ?? ""
  const path = textOf(shown.path) ?? ""
  const old = before.nodes.get(keyOf(id, path))
  const status = (textOf(shown.status) ?? "pending") as NodeStatus
  const waiting = objectOf(shown.waiting)
  return {
    ...fresh(id, path, textOf(shown.type) ?? ""),
    status,
    reason: textOf(shown.reason),
    attempt: numberOf(shown.attempt) ?? 1,
    maxAttempts: numberOf(waiting.max_attempts),
    startedAt: timeOf(shown.started_at),
    finishedAt: timeOf(shown.finished_at),
    output: shown.output ?? objectOf(shown.large_output).preview ?? null,
    isCut: shown.truncated === true || shown.large_output !== undefined,
    meta: objectOf(shown.meta),
    error: failureOf(shown.error) ?? failureOf(waiting.error),
    text: old?.status === status ? old.text : "",
    speaks: old?.speaks ?? 1,
    failed: old?.failed ?? [],
    handles: old?.handles ?? null,
  }
}

function ofRun(state: RunState, event: RunEvent): RunState {
  const data = objectOf(event.data)
  if (event.seq === undefined) {
    // live-only: it says that no worker goes on with the run, or takes that back
    const reason = textOf(data.reason)
    if (event.type === "execution.waiting" && reason !== null)
      return { ...state, waits: { reason, position: null, until: null } }
    return event.type === "execution.resumed" ? { ...state, waits: null } : state
  }
  const at = timeOf(event.at)
  switch (event.type) {
    case "execution.started":
      return { ...state, status: "running", startedAt: at, waits: null }
    case "execution.waiting":
      return { ...state, status: "waiting", waits: null }
    case "execution.paused":
      return { ...state, status: "paused", waits: null }
    case "execution.resumed":
      return { ...state, status: "running", waits: null }
    case "execution.succeeded":
    case "execution.failed":
    case "execution.cancelled":
    case "execution.timed_out":
      return {
        ...state,
        status: event.type.slice("execution.".length) as RunStatus,
        waits: null,
        finishedAt: at,
        usage: usageOf(data.usage),
        output: data.output ?? data.preview ?? null,
        isCut: data.truncated === true,
        error: failureOf(data.error),
      }
    default:
      return state
  }
}

function ofNode(node: NodeState, event: RunEvent): NodeState {
  const data = objectOf(event.data)
  const type = textOf(data.type) ?? node.type
  const attempt = event.attempt ?? numberOf(objectOf(data.meta).attempt) ?? node.attempt
  const at = timeOf(event.at)
  switch (event.type) {
    case "llm.token": {
      // a text whose beginning cannot be had any more says so
      const begun = data.truncated === true ? "…" : ""
      const before = data.anew === true ? begun : node.text
      const text = (before + (textOf(data.text) ?? "")).slice(-MAX_TEXT)
      return { ...node, text, speaks: event.attempt ?? 1 }
    }
    case "node.started":
      // `node.started` again: it goes on after it waited, or anew in the next attempt
      return { ...node, type, status: "running", attempt, startedAt: node.startedAt ?? at }
    case "node.retrying":
      return retrying(node, event, data)
    case "node.waiting":
      return { ...node, type, status: "waiting", meta: objectOf(data.meta) }
    case "node.progress":
      return { ...node, type, status: "running", meta: objectOf(data.meta) }
    case "node.succeeded":
    case "node.failed":
    case "node.skipped":
    case "node.cancelled":
      return {
        ...node,
        type,
        attempt,
        status: event.type.slice("node.".length) as NodeStatus,
        reason: textOf(data.reason),
        finishedAt: at,
        output: data.output ?? data.preview ?? null,
        isCut: data.truncated === true,
        meta: objectOf(data.meta),
        error: failureOf(data.error),
        handles: Array.isArray(data.handles) ? data.handles.map(String) : null,
      }
    default:
      return node
  }
}

function retrying(node: NodeState, event: RunEvent, data: Json): NodeState {
  if (isNodeFinal(node.status)) return node // it overtook the end, having no `seq`
  const number = event.attempt ?? node.attempt
  const error = failureOf(data.error)
  const attempt: Attempt = { number, error, nextAt: timeOf(data.next_attempt_at) }
  return {
    ...node,
    status: "running",
    attempt: number + 1,
    maxAttempts: numberOf(data.max_attempts) ?? node.maxAttempts,
    error,
    // of an attempt that died with its worker, it may come when the next one speaks
    text: number < node.speaks ? node.text : "",
    failed: [...node.failed.filter((one) => one.number !== number), attempt],
  }
}

function logLine(nodeId: string, event: RunEvent): LogLine {
  const data = objectOf(event.data)
  return {
    at: timeOf(event.at) ?? 0,
    nodeId,
    path: event.path ?? "",
    stream: textOf(data.stream) ?? "stdout",
    text: textOf(data.text) ?? "",
  }
}
