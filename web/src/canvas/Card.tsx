import { Handle, Position, type NodeProps } from "@xyflow/react"
import { CircleAlert, LayoutPanelLeft, Pin, TriangleAlert } from "lucide-react"
import { memo } from "react"
import { DEFAULT_HANDLE } from "../graph/handles"
import { bodyOf, nameOf, type GraphNode } from "../graph/model"
import { NodeCard } from "../graph/NodeCard"
import { useCanvas } from "./context"
import type { FlowNode } from "./flow"
import styles from "./canvas.module.css"

/** A node on the canvas. Drawn anew only where its own data changed. */
export const Card = memo(function Card({ data, selected }: NodeProps<FlowNode>) {
  const { node, type, handles, stray, severity } = data
  const summary = summaryOf(node)
  const all = [...handles, ...stray]
  const single = all.length === 1 && all[0] === DEFAULT_HANDLE
  return (
    <div className={styles.node} data-severity={severity ?? undefined}>
      {node.type !== "start" && (
        <Handle type="target" position={Position.Left} className={styles.handle ?? ""} />
      )}
      <NodeCard
        name={nameOf(node)}
        title={type?.title ?? `${node.type} (unknown)`}
        icon={type?.icon}
        category={type?.category}
        selected={selected}
        mark={
          <span className={styles.marks}>
            {node.pinned != null && <Pin size={14} aria-label="Output pinned" />}
            {severity === "error" && (
              <CircleAlert size={17} className={styles.markError} aria-label="Has errors" />
            )}
            {severity === "warning" && (
              <TriangleAlert size={17} className={styles.markWarn} aria-label="Has warnings" />
            )}
          </span>
        }
      >
        {summary !== "" && <div className={styles.summary}>{summary}</div>}
        {type?.has_body === true && <OpenBody node={node} />}
        {!single && all.length > 0 && (
          <div className={styles.branches}>
            {all.map((handle) => (
              <div
                key={handle}
                className={styles.branch}
                data-kind={branchKind(handle, stray)}
                title={stray.includes(handle) ? "The node has no such way out" : undefined}
              >
                {handle}
                <Handle
                  id={handle}
                  type="source"
                  position={Position.Right}
                  className={styles.handle ?? ""}
                  isConnectable={!stray.includes(handle)}
                />
              </div>
            ))}
          </div>
        )}
      </NodeCard>
      {single && (
        <Handle
          id={DEFAULT_HANDLE}
          type="source"
          position={Position.Right}
          className={styles.handle ?? ""}
        />
      )}
    </div>
  )
})

function OpenBody({ node }: { node: GraphNode }) {
  const open = useCanvas((state) => state.open)
  const path = useCanvas((state) => state.path)
  const count = bodyOf(node).nodes.length
  return (
    <button
      type="button"
      className={`${styles.openBody} nodrag`}
      onClick={(event) => {
        event.stopPropagation()
        open([...path, node.id])
      }}
    >
      <LayoutPanelLeft size={14} aria-hidden />
      {count === 0 ? "Fill its body" : `Open its body (${count})`}
    </button>
  )
}

function branchKind(handle: string, stray: readonly string[]): string | undefined {
  if (stray.includes(handle)) return "stray"
  if (handle === "error" || handle === "false" || handle === "rejected") return "bad"
  if (handle === "true" || handle === "approved") return "good"
  return undefined
}

/** What a node does, at a glance. */
function summaryOf(node: GraphNode): string {
  const config = node.config ?? {}
  const text = (name: string) => {
    const value = config[name]
    return typeof value === "string" ? value : typeof value === "number" ? String(value) : ""
  }
  switch (node.type) {
    case "llm":
      return text("model")
    case "http":
      return text("url") === "" ? "" : `${text("method") || "GET"} ${text("url")}`
    case "condition":
    case "loop":
      return text(node.type === "loop" ? "condition" : "expression")
    case "variable":
      return Object.keys((config.assignments as object | undefined) ?? {}).join(", ")
    case "wait":
      return text("duration") || text("until") || text("signal")
    case "approval":
      return text("title")
    case "map":
      return text("items")
    case "start": {
      const inputs = config.inputs
      if (!Array.isArray(inputs)) return ""
      return inputs.map((one) => (one as { name?: string }).name ?? "").join(", ")
    }
    default:
      return ""
  }
}
