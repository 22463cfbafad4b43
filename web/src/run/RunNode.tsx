import { Handle, Position, type Node, type NodeProps } from "@xyflow/react"
import { memo } from "react"

import { NodeCard } from "../graph/NodeCard"
import { isNodeFinal } from "../live/events"
import { nodeUsage, tokensOf, type NodeState } from "../live/state"
import { objectOf, numberOf, textOf } from "../live/events"
import { count, duration, money, reasonText } from "./format"
import { useNow } from "./now"
import styles from "./run.module.css"
import { StatusIcon } from "./StatusBadge"
import { useNodeState } from "./useRun"

export type RunFlowNode = Node<
  {
    name: string
    type: string
    title: string
    icon: string | undefined
    category: string | undefined
    /** The handles that edges leave by; null for the default one. */
    handles: readonly (string | null)[]
  },
  "run"
>

const SHOWN_CHARS = 160

/** A node of the run's graph. It follows its own state alone. */
export const RunNode = memo(function RunNode({ id, data, selected }: NodeProps<RunFlowNode>) {
  const node = useNodeState(id)
  return (
    <div className={styles.node} data-status={node.status} data-node={id}>
      {data.type !== "start" && (
        <Handle type="target" position={Position.Left} isConnectable={false} />
      )}
      <NodeCard
        name={data.name}
        title={data.title}
        icon={data.icon}
        category={data.category}
        status={node.status}
        selected={selected}
        mark={node.status !== "pending" && <StatusIcon status={node.status} size={18} />}
      >
        <Facts node={node} />
      </NodeCard>
      {data.handles.map((handle, index) => (
        <Handle
          key={handle ?? ""}
          id={handle ?? "default"}
          type="source"
          position={Position.Right}
          isConnectable={false}
          style={{ top: `${((index + 1) * 100) / (data.handles.length + 1)}%` }}
        />
      ))}
    </div>
  )
})

function Facts({ node }: { node: NodeState }) {
  if (node.status === "pending") return null
  if (node.status === "skipped")
    return <div className={styles.facts}>{node.reason && reasonText(node.reason)}</div>
  const usage = nodeUsage(node)
  return (
    <>
      {node.text !== "" && node.status === "running" && (
        <div className={styles.stream}>{node.text.slice(-SHOWN_CHARS)}</div>
      )}
      <Progress node={node} />
      <div className={styles.facts}>
        {node.startedAt !== null && <Elapsed node={node} />}
        {node.attempt > 1 && (
          <span className={styles.warn}>
            attempt {node.attempt}
            {node.maxAttempts !== null && ` of ${node.maxAttempts}`}
          </span>
        )}
        {usage !== null && <span>{count(tokensOf(usage))} tokens</span>}
        {usage !== null && usage.cost_usd > 0 && <span>{money(usage.cost_usd)}</span>}
        {node.error !== null && <span className={styles.bad}>{node.error.code}</span>}
        {waitsFor(node) && <span>{waitsFor(node)}</span>}
      </div>
    </>
  )
}

const WAITS: Record<string, string> = {
  approval: "waits for an answer",
  signal: "waits for a signal",
  webhook: "waits for a webhook",
  duration: "waits",
  until: "waits",
}

function waitsFor(node: NodeState): string | null {
  if (node.status !== "waiting") return null
  return WAITS[textOf(objectOf(node.meta.waiting).for) ?? ""] ?? "waits"
}

/** How many iterations of a loop or a map have ended. */
function Progress({ node }: { node: NodeState }) {
  const { done, failed, total } = objectOf(node.meta.progress)
  const ended = numberOf(done)
  if (ended === null || isNodeFinal(node.status)) return null
  const all = numberOf(total)
  const bad = numberOf(failed) ?? 0
  return (
    <div className={styles.progress}>
      {all !== null && all > 0 && (
        <span className={styles.progressBar} aria-hidden>
          <span style={{ width: `${Math.min(100, ((ended + bad) * 100) / all)}%` }} />
        </span>
      )}
      <span>
        {ended}
        {all !== null && ` of ${all}`}
        {bad > 0 && `, ${bad} failed`}
      </span>
    </div>
  )
}

export function Elapsed({ node }: { node: NodeState }) {
  const isGoingOn = node.finishedAt === null && !isNodeFinal(node.status)
  const now = useNow(isGoingOn)
  if (node.startedAt === null) return null
  return <span>{duration((node.finishedAt ?? now) - node.startedAt)}</span>
}
