import { Ban, ExternalLink, Pause, Play, RotateCcw } from "lucide-react"
import { useState } from "react"
import { Link } from "react-router"

import { isFinal } from "../live/events"
import { nodeUsage, tokensOf, type RunState } from "../live/state"
import { Button } from "../ui/Button"
import { Confirm } from "../ui/Dialog"
import { Badge } from "../ui/Badge"
import { ago, exact } from "../ui/time"
import { count, duration, money } from "./format"
import { useNow } from "./now"
import styles from "./run.module.css"
import { StatusBadge } from "./StatusBadge"
import { useConnection, useRunState, type Execution } from "./useRun"
import type { useRunActions } from "./actions"
import { StartDialog } from "./StartDialog"

const MODES: Record<string, string> = { test: "One node alone", dry_run: "Dry run" }

/** What models have used: of a run that has ended its own sum, else that of its nodes so far. */
function usageOfRun(run: RunState): { tokens: number; usd: number } {
  if (isFinal(run.status)) return { tokens: tokensOf(run.usage), usd: run.usage.cost_usd }
  let [sum, usd] = [0, 0]
  for (const node of run.nodes.values()) {
    const usage = nodeUsage(node)
    if (usage === null) continue
    sum += tokensOf(usage)
    usd += usage.cost_usd
  }
  return { tokens: sum, usd }
}

export function RunHeader(props: {
  execution: Execution
  name: string
  actions: ReturnType<typeof useRunActions>
}) {
  const { execution, name, actions } = props
  const [isStarting, setStarting] = useState(false)
  const [isCancelling, setCancelling] = useState(false)
  const status = useRunState((run) => run.status)
  const isOpen = !isFinal(status)
  const isAsked = execution.cancel_requested_at !== null && isOpen
  return (
    <header className={styles.runHead}>
      <div className={styles.title}>
        <h1>
          <Link to={`/workflows/${execution.workflow_id}`}>{name}</Link>
        </h1>
        <StatusBadge status={status} />
        {MODES[execution.mode] && <Badge tone="accent">{MODES[execution.mode]}</Badge>}
        <Connection isOpen={isOpen} />
      </div>
      <Facts execution={execution} />
      <div className={styles.row}>
        {execution.temporal.url !== null && (
          <a
            className={styles.outside}
            href={execution.temporal.url}
            target="_blank"
            rel="noreferrer"
          >
            Temporal <ExternalLink size={14} aria-hidden />
          </a>
        )}
        {status === "paused" ? (
          <Button
            icon={<Play size={16} />}
            busy={actions.resume.isPending}
            onClick={() => actions.resume.mutate()}
          >
            Resume
          </Button>
        ) : (
          isOpen &&
          status !== "queued" && (
            <Button
              icon={<Pause size={16} />}
              busy={actions.pause.isPending}
              onClick={() => actions.pause.mutate()}
            >
              Pause
            </Button>
          )
        )}
        {isOpen ? (
          <Button
            variant="danger"
            icon={<Ban size={16} />}
            busy={actions.cancel.isPending || isAsked}
            onClick={() => setCancelling(true)}
          >
            {isAsked ? "Cancelling" : "Cancel"}
          </Button>
        ) : (
          <>
            {status !== "succeeded" && (
              <Button
                icon={<RotateCcw size={16} />}
                busy={actions.retry.isPending}
                onClick={() => actions.retry.mutate(null)}
              >
                Retry what failed
              </Button>
            )}
            <Button variant="primary" icon={<Play size={16} />} onClick={() => setStarting(true)}>
              Run again
            </Button>
          </>
        )}
      </div>
      <Confirm
        title="Cancel this run?"
        open={isCancelling}
        action="Cancel the run"
        onClose={() => setCancelling(false)}
        onConfirm={() => {
          setCancelling(false)
          actions.cancel.mutate()
        }}
      >
        <p>
          Nodes under way are told to stop. What has ended stays, and can be gone on from later.
        </p>
      </Confirm>
      {isStarting && (
        <StartDialog workflowId={execution.workflow_id} open onClose={() => setStarting(false)} />
      )}
    </header>
  )
}

function Facts({ execution }: { execution: Execution }) {
  const run = useRunState((state) => state)
  const now = useNow(run.startedAt !== null && !isFinal(run.status))
  const { tokens, usd } = usageOfRun(run)
  return (
    <p className={styles.runFacts}>
      {run.startedAt !== null && <span>{duration((run.finishedAt ?? now) - run.startedAt)}</span>}
      {tokens > 0 && <span>{count(tokens)} tokens</span>}
      {usd > 0 && <span>{money(usd)}</span>}
      <span>version {execution.workflow_version}</span>
      <span title={exact(execution.created_at)}>{ago(execution.created_at)}</span>
      {execution.parent && (
        <Link to={`/executions/${execution.parent.execution_id}`}>begun by another run</Link>
      )}
      {execution.source_id && (
        <Link to={`/executions/${execution.source_id}`}>goes on from another run</Link>
      )}
    </p>
  )
}

function Connection({ isOpen }: { isOpen: boolean }) {
  const connection = useConnection()
  if (!isOpen) return null
  if (connection === "open")
    return (
      <span className={styles.live}>
        <span aria-hidden /> Live
      </span>
    )
  const text = connection === "signed_out" ? "Signed out" : "Connecting …"
  return (
    <span className={styles.soft} role="status">
      {text}
    </span>
  )
}
