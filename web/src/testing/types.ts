import type { NodeType, NodeTypes } from "../api/hooks"

function type(name: string, handles: string[], more: Partial<NodeType> = {}): [string, NodeType] {
  const retry = { max_attempts: 3, initial_s: 1, backoff: 2, max_s: 60, non_retryable: [] }
  return [
    name,
    {
      type: name,
      title: name.toUpperCase(),
      description: "",
      category: "control",
      icon: "box",
      config: {},
      handles,
      dynamic_handles: false,
      error_handle: "error",
      has_body: false,
      usable_as_tool: false,
      policy: { retry, timeout_s: 60, heartbeat_s: null, local: false },
      ...more,
    },
  ]
}

/** Of the types that tests draw with, as `/node-types` says it. */
export const TYPES: NodeTypes = new Map([
  type("start", ["default"]),
  type("llm", ["default"]),
  type("code", ["default"]),
  type("condition", ["true", "false"], { dynamic_handles: true }),
  type("switch", ["else"], { dynamic_handles: true }),
  type("wait", ["default"], { dynamic_handles: true }),
  type("approval", ["approved", "rejected"], { dynamic_handles: true }),
  type("map", ["default"], { has_body: true }),
  type("output", []),
])
