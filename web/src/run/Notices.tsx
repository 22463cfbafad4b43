import { CircleAlert, Clock } from "lucide-react"

import { objectOf, textOf } from "../live/events"
import { Button } from "../ui/Button"
import { waitText } from "./format"
import { nameOf, type Graph } from "./path"
import styles from "./run.module.css"
import { useRunState } from "./useRun"

/** What a person should know of the run at once: why nothing happens, what asks for them, what
 * failed. */
export function Notices({ graph, onSelect }: { graph: Graph; onSelect: (id: string) => void }) {
  const waits = useRunState((run) => run.waits)
  const error = useRunState((run) => run.error)
  const asking = useRunState((run) => {
    for (const node of run.nodes.values())
      if (node.status === "waiting" && objectOf(node.meta.waiting).for === "approval") return node
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
          <span>{textOf(objectOf(asking.meta.waiting).title) ?? "Waits for an answer"}</span>
          <Button size="small" variant="primary" onClick={() => onSelect(asking.id)}>
            Answer
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
