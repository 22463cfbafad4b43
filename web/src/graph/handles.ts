import type { NodeTypes } from "../api/hooks"
import type { GraphEdge, GraphNode } from "./model"

export const DEFAULT_HANDLE = "default"
export const ERROR_HANDLE = "error"

type Config = Record<string, unknown>
type Rule = (config: Config) => string[]

function cases(config: Config): string[] | null {
  const given = config.cases
  if (!Array.isArray(given)) return null
  const named = given.flatMap((one: unknown) => {
    const handle = (one as Config | null)?.handle
    return typeof handle === "string" && handle !== "" ? [handle] : []
  })
  return [...named, "else"]
}

const isSet = (value: unknown) => value !== undefined && value !== null

/** Of the types whose configuration names the handles (`pilot/nodes`). */
const RULES: Record<string, Rule> = {
  condition: (config) => cases(config) ?? ["true", "false"],
  switch: (config) => cases(config) ?? ["else"],
  wait: (config) =>
    isSet(config.timeout) && config.on_timeout !== "fail"
      ? [DEFAULT_HANDLE, "timeout"]
      : [DEFAULT_HANDLE],
  approval: (config) => [
    "approved",
    ...(config.on_reject === "fail" ? [] : ["rejected"]),
    ...(isSet(config.timeout) ? ["timeout"] : []),
  ],
}

/** The out-handles of a node, in order, each once. */
export function handlesOf(node: GraphNode, types: NodeTypes): string[] {
  const type = types.get(node.type)
  const rule = RULES[node.type]
  const own = rule ? rule(node.config ?? {}) : (type?.handles ?? [DEFAULT_HANDLE])
  const all = node.on_error === "branch" ? [...own, type?.error_handle ?? ERROR_HANDLE] : own
  return [...new Set(all)]
}

/** Handles that edges leave by and that the node does not have: they are shown, so that the edges
 * are, and can be put right. */
export function strayHandles(
  id: string,
  handles: readonly string[],
  edges: readonly GraphEdge[],
): string[] {
  const stray = new Set<string>()
  for (const edge of edges) {
    const handle = edge.source_handle ?? DEFAULT_HANDLE
    if (edge.source === id && !handles.includes(handle)) stray.add(handle)
  }
  return [...stray]
}

/** An edge's handle as the API has it: the default one is not written. */
export const storedHandle = (handle: string | null | undefined): string | undefined =>
  handle == null || handle === DEFAULT_HANDLE ? undefined : handle
