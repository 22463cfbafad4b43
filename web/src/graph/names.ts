import { allNodes, graphAt, nameOf, type Graph, type GraphNode } from "./model"
import { parentsOf, visibleNodes } from "./upstream"

/** A name in scope, and the names below it. */
export interface Name {
  detail?: string
  children?: Record<string, Name>
}

export type Names = Record<string, Name>

export interface Place {
  root: Graph
  /** The containers around the node. */
  path: readonly string[]
  id: string
}

/** What a field lets its text name, beside what every one does. */
export interface Allowed {
  secrets?: boolean
  iterates?: boolean
  payload?: boolean
}

const MAX_DEPTH = 4
const MAX_KEYS = 60

/** Everything that an expression of the node may name (docs/expressions.md). */
export function namesInScope(place: Place, allowed: Allowed, secrets: readonly string[]): Names {
  const { root, path, id } = place
  const nodes = visibleNodes(root, path, id)
  const start = root.nodes.find((node) => node.type === "start")
  const names: Names = {
    input: inputOf(place),
    nodes: {
      detail: "what came before",
      children: Object.fromEntries(nodes.map((node) => [node.id, nameOfNode(node)])),
    },
    vars: { detail: "variables", children: variables(nodes) },
    execution: {
      detail: "this run",
      children: {
        id: { detail: "text" },
        input: { detail: "what it was started with", ...(start ? startFields(start) : {}) },
      },
    },
  }
  if (path.length > 0 || allowed.iterates === true) {
    names.item = { detail: "the item, or a loop's state" }
    names.index = { detail: "whole number" }
  }
  if (allowed.payload === true) names.payload = { detail: "what was sent" }
  if (allowed.secrets === true) {
    const known = secrets.map((name): [string, Name] => [name, { detail: "secret" }])
    names.secrets = { detail: "kept out of every log", children: Object.fromEntries(known) }
    const hooks = [...allNodes(root)].filter((node) => node.config?.webhook === true)
    names.hooks = {
      detail: "addresses that are answered",
      children: Object.fromEntries(hooks.map((node) => [node.id, { detail: nameOf(node) }])),
    }
  }
  return names
}

function inputOf({ root, path, id }: Place): Name {
  const graph = graphAt(root, path)
  const parents = graph ? parentsOf(graph, id) : []
  const [only] = parents
  if (only === undefined) return { detail: path.length > 0 ? "the item" : "the run's input" }
  if (parents.length === 1) return { ...outputOf(only), detail: `output of ${nameOf(only)}` }
  return {
    detail: "by node, of those that ran",
    children: Object.fromEntries(parents.map((node) => [node.id, outputOf(node)])),
  }
}

function nameOfNode(node: GraphNode): Name {
  return {
    detail: nameOf(node),
    children: {
      output: outputOf(node),
      meta: { detail: "about its run", children: META[node.type] ?? ANY_META },
    },
  }
}

const ANY_META: Names = { duration_ms: { detail: "number" }, attempt: { detail: "whole number" } }
const META: Record<string, Names> = {
  llm: {
    ...ANY_META,
    model: { detail: "text" },
    usage: {
      detail: "tokens and cost",
      children: {
        prompt_tokens: { detail: "whole number" },
        completion_tokens: { detail: "whole number" },
        cost_usd: { detail: "number" },
      },
    },
  },
  http: { ...ANY_META, status: { detail: "whole number" }, headers: { detail: "object" } },
  condition: { ...ANY_META, branch: { detail: "text" } },
  switch: { ...ANY_META, branch: { detail: "text" } },
}

function outputOf(node: GraphNode): Name {
  if (node.pinned?.output !== undefined && node.pinned.output !== null) {
    return ofValue(node.pinned.output)
  }
  if (node.type === "start") return { detail: "output", ...startFields(node) }
  const schema = node.config?.output_schema
  if (typeof schema === "object" && schema !== null) return ofSchema(schema)
  return { detail: "output" }
}

function startFields(start: GraphNode): Name {
  const inputs = start.config?.inputs
  if (!Array.isArray(inputs)) return {}
  const fields = inputs.flatMap((one: unknown): [string, Name][] => {
    const { name, type } = (one ?? {}) as { name?: unknown; type?: unknown }
    if (typeof name !== "string") return []
    return [[name, { detail: typeof type === "string" ? type : "any" }]]
  })
  return { children: Object.fromEntries(fields) }
}

function variables(nodes: readonly GraphNode[]): Names {
  const names: Names = {}
  for (const node of nodes) {
    const set = { ...(node.config?.assignments as object | undefined), ...node.pinned?.vars }
    for (const name of Object.keys(set)) names[name] ??= { detail: `set by ${nameOf(node)}` }
  }
  return names
}

/** The names that a value of JSON has, as it was seen. */
export function ofValue(value: unknown, depth = 0): Name {
  if (value === null) return { detail: "null" }
  if (Array.isArray(value)) return { detail: `list of ${value.length}` }
  if (typeof value !== "object")
    return { detail: typeof value === "string" ? "text" : typeof value }
  if (depth >= MAX_DEPTH) return { detail: "object" }
  const entries = Object.entries(value).slice(0, MAX_KEYS)
  return {
    detail: "object",
    children: Object.fromEntries(entries.map(([key, one]) => [key, ofValue(one, depth + 1)])),
  }
}

function ofSchema(schema: object, depth = 0): Name {
  const { type, properties } = schema as { type?: unknown; properties?: Record<string, object> }
  const detail = typeof type === "string" ? type : "any"
  if (!properties || depth >= MAX_DEPTH) return { detail }
  const entries = Object.entries(properties)
  return {
    detail,
    children: Object.fromEntries(entries.map(([key, one]) => [key, ofSchema(one, depth + 1)])),
  }
}
