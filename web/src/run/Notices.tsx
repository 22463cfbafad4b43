import { CircleAlert, Clock } from "lucide-react"

import { objectOf, textOf } from "../live/events"
import type { NodeState } from "../live/state"
import { Button } from "../ui/Button"
import { waitText } from "./format"
import { nameOf } from "../graph/model"
import type { Graph } from "./path"
import styles from "./run.module.css"
import { useRunState } from "./useRun"
import { rootOf } from "./useWaits"

const waitingOf = (node: NodeState) => objectOf(node.meta.waiting)

/** Nodes inside of a loop or a map wait. */
const isInside = (node: NodeState): boolean => Array.isArray(waitingOf(node).nodes)

const asks = (node: NodeState): boolean => waitingOf(node).for === "approval" || isInside(node)

function askText(node: NodeState, graph: Graph): string {
  if (!isInside(node)) return textOf(waitingOf(node).title) ?? "Waits for an answer"
  const outer = graph.nodes.find((one) => one.id === rootOf({ node_id: node.id, path: node.path }))
  return `Nodes in ${outer === undefined ? node.id : nameOf(outer)} wait`
}

/** What a person should know of the run at once: why nothing happens, what asks for them, what
 * failed. */
export function Notices({ graph, onSelect }: { graph: Graph; onSelect: (id: string) => void }) {
  const waits = useRunState((run) => run.waits)
  const error = useRunState((run) => run.error)
  const asking = useRunState((run) => {
    for (const node of run.nodes.values()) if (node.status === "waiting" && asks(node)) return node
    return null
  })
  const failed = graph.nodes.find((node) => node.id === error?.node_id)
  return (
    <>
      {waits !== null && (
        <div className={styles.notice} data-kind="warn" role="status">
          <Clock size={17} aria-hidden />
          <span>
            {waitText(waits.reason)}
            {waits.position !== null && ` (place ${waits.position})`}
            {waits.until !== null && `: ${new Date(waits.until).toLocaleString()}`}
          </span>
        </div>
      )}
      {asking !== null && (
        <div className={styles.notice} data-kind="ask" role="status">
          <Clock size={17} aria-hidden />
          <span>{askText(asking, graph)}</span>
          <Button
            size="small"
            variant="primary"
            onClick={() => onSelect(rootOf({ node_id: asking.id, path: asking.path }))}
          >
            {isInside(asking) ? "Show" : "Answer"}
          </Button>
        </div>
      )}
      {error !== null && (
        <div className={styles.notice} data-kind="error" role="alert">
          <CircleAlert size={17} aria-hidden />
          <span>
            <strong>{error.code}</strong> {error.message}
          </span>
          {failed !== undefined && (
            <Button size="small" onClick={() => onSelect(failed.id)}>
              Show {nameOf(failed)}
            </Button>
          )}
        </div>
      )}
    </>
  )
}
