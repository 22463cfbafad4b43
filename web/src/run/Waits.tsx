import { useQuery } from "@tanstack/react-query"
import { Link } from "react-router"

import { api, unwrap } from "../api/client"
import { objectOf, textOf } from "../live/events"
import type { NodeState } from "../live/state"
import { ApprovalForm, pathOf } from "./ApprovalForm"
import { duration } from "./format"
import styles from "./run.module.css"
import { SignalForm } from "./SignalForm"
import { useWaits, waitsInside, type Wait } from "./useWaits"
import type { Execution } from "./useRun"
import { Value } from "./Value"

/** What a node waits for, and how to give it that. */
export function Waits({ execution, state }: { execution: Execution; state: NodeState }) {
  const waiting = objectOf(state.meta.waiting)
  const until = textOf(waiting.until)
  switch (waiting.for) {
    case "approval":
      return <Approval executionId={execution.id} nodeId={state.id} path="" />
    case "signal":
      return <SignalForm executionId={execution.id} name={textOf(waiting.signal) ?? ""} />
    case "webhook":
      return (
        <>
          <Until what="Waits for a call of its own address" until={until} />
          <Address executionId={execution.id} nodeId={state.id} />
        </>
      )
    case "model": {
      const { ahead } = waiting
      const before = typeof ahead === "number" && ahead > 0 ? ` (${ahead} before it)` : ""
      const model = textOf(waiting.model) ?? "its model"
      return <Until what={`Waits for room at ${model}${before}`} until={until} />
    }
    default:
      return <Until what="Waits" until={until} />
  }
}

function Until({ what, until }: { what: string; until: string | null }) {
  return (
    <p className={styles.soft}>
      {what}
      {until !== null &&
        ` until ${new Date(until).toLocaleString()} (${duration(Date.parse(until) - Date.now())})`}
    </p>
  )
}

/** Where a webhook is answered, for whoever is told. */
function Address({ executionId, nodeId }: { executionId: string; nodeId: string }) {
  const { data } = useWaits(executionId, true)
  const url = data?.items.find(
    (one) => one.execution_id === executionId && one.node_id === nodeId && pathOf(one) === "",
  )?.url
  return url == null ? null : <Value title="Its address" value={new URL(url, location.href).href} />
}

const CONTAINERS: ReadonlySet<string> = new Set(["loop", "map", "workflow"])

/** Whether other nodes may wait inside of one of this type. */
export const mayHoldWaits = (type: string): boolean => CONTAINERS.has(type)

const SHOWN = 20

/** What waits in the body of a loop or a map, or in the run that a workflow node has begun; each
 * is answered here. */
export function InnerWaits({ execution, state }: { execution: Execution; state: NodeState }) {
  const waits = useWaits(execution.id, true)
  const child = textOf(state.meta.child_execution_id)
  const inside = waitsInside(waits.data?.items ?? [], state.id, child)
  if (inside.length === 0) return null
  const more = inside.length > SHOWN || waits.data?.complete === false
  return (
    <section className={styles.value} aria-label="What waits in it">
      <header>
        <h3>
          What waits in it ({inside.length}
          {waits.data?.complete === false && " or more"})
        </h3>
      </header>
      <ol className={styles.iterations}>
        {inside.slice(0, SHOWN).map((one, index) => (
          <li key={`${one.execution_id} ${one.node_id} ${pathOf(one)}`}>
            <details open={index === 0}>
              <summary>
                <span className={styles.line}>
                  {one.title ?? one.node_id} <code>{pathOf(one)}</code>
                </span>
                <span className={styles.soft}>{KINDS[one.for]}</span>
              </summary>
              <Answer wait={one} isOwn={one.execution_id === execution.id} />
            </details>
          </li>
        ))}
      </ol>
      {more && <p className={styles.soft}>Others follow once these have been answered.</p>}
    </section>
  )
}

const KINDS: Record<Wait["for"], string> = {
  approval: "an answer",
  signal: "a signal",
  webhook: "a webhook",
  duration: "a time",
  until: "a time",
}

function Answer({ wait, isOwn }: { wait: Wait; isOwn: boolean }) {
  return (
    <div className={styles.waitBody}>
      {!isOwn && (
        <p className={styles.soft}>
          In <Link to={`/executions/${wait.execution_id}`}>the other run</Link>
        </p>
      )}
      {wait.for === "approval" && (
        <Approval executionId={wait.execution_id} nodeId={wait.node_id} path={pathOf(wait)} />
      )}
      {wait.for === "signal" && (
        <SignalForm executionId={wait.execution_id} name={wait.signal ?? ""} />
      )}
      {wait.url != null && (
        <Value title="Its address" value={new URL(wait.url, location.href).href} />
      )}
      {wait.for !== "approval" && wait.until != null && <Until what="Waits" until={wait.until} />}
    </div>
  )
}

function Approval(props: { executionId: string; nodeId: string; path: string }) {
  const { executionId, nodeId, path } = props
  const isIt = (one: { node_id: string; path?: string }) =>
    one.node_id === nodeId && pathOf(one) === path
  const approvals = useQuery({
    queryKey: ["approvals", executionId],
    queryFn: () =>
      unwrap(
        api.GET("/api/v1/executions/{execution_id}/approvals", {
          params: { path: { execution_id: executionId } },
        }),
      ),
    // it is listed a moment after the run waits
    refetchInterval: ({ state }) => (state.data?.items.some(isIt) === true ? false : 500),
  })
  const open = approvals.data?.items.find((one) => isIt(one) && one.closed_at == null)
  return open === undefined ? null : <ApprovalForm approval={open} />
}
