import {
  BaseEdge,
  EdgeLabelRenderer,
  getBezierPath,
  type Edge,
  type EdgeProps,
} from "@xyflow/react"
import { memo } from "react"

import { keyOf } from "../live/state"
import { edgeState, type GraphEdge } from "./path"
import styles from "./run.module.css"
import { useRunState } from "./useRun"

export type RunFlowEdge = Edge<{ edge: GraphEdge }, "run">

/** An edge: strong where the run went along it, faint where it did not. */
export const RunEdge = memo(function RunEdge(props: EdgeProps<RunFlowEdge>) {
  const edge = props.data?.edge
  const state = useRunState((run) =>
    edge === undefined
      ? "unknown"
      : edgeState(edge, run.nodes.get(keyOf(edge.source)), run.nodes.get(keyOf(edge.target))),
  )
  const isMoving = useRunState(
    (run) => state === "taken" && run.nodes.get(keyOf(props.target))?.status === "running",
  )
  const [path, x, y] = getBezierPath(props)
  return (
    <>
      <BaseEdge
        path={path}
        className={`${styles.edge ?? ""} ${isMoving ? (styles.moving ?? "") : ""}`}
        data-state={state}
      />
      {edge?.handle != null && (
        <EdgeLabelRenderer>
          <span
            className={styles.edgeLabel}
            data-state={state}
            style={{ transform: `translate(-50%, -50%) translate(${x}px, ${y}px)` }}
          >
            {edge.handle}
          </span>
        </EdgeLabelRenderer>
      )}
    </>
  )
})
