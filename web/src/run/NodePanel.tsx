import { RotateCcw, X } from "lucide-react"
import type { ReactNode } from "react"
import { Link } from "react-router"

import { isFinal, isNodeFinal, numberOf, objectOf, textOf } from "../live/events"
import { nodeUsage, tokensOf, type NodeState } from "../live/state"
import { Button, IconButton } from "../ui/Button"
import { count, money, reasonText } from "./format"
import { Iterations } from "./Iterations"
import { nameOf } from "../graph/model"
import { inputOf, outputOf, type Graph, type GraphNode } from "./path"
import { useKnownTypes } from "../api/hooks"
import { Elapsed } from "./RunNode"
import styles from "./run.module.css"
import { StatusBadge } from "./StatusBadge"
import { useNodeState, useRunContext, useRunState, type Execution } from "./useRun"
import { Value } from "./Value"
import { InnerWaits, mayHoldWaits, Waits } from "./Waits"

interface Props {
  execution: Execution
  graph: Graph
  node: GraphNode
  onClose: () => void
  onRetryFrom: (nodeId: string) => void
}

/** All that is known of one node of the run. */
export function NodePanel({ execution, graph, node, onClose, onRetryFrom }: Props) {
  const state = useNodeState(node.id)
  const types = useKnownTypes()
  const hasEnded = useRunState((run) => isFinal(run.status))
  const { run } = useRunContext().getState()
  const input =
    state.status === "pending" ? undefined : inputOf(graph, run, node.id, execution.input)
  const output = outputOf(graph, run, node.id, execution.input)
  return (
    <aside className={styles.panel} aria-label={`Node ${nameOf(node)}`}>
      <header className={styles.panelHead}>
        <div>
          <h2>{nameOf(node)}</h2>
          <p className={styles.soft}>
            {types.get(node.type)?.title ?? node.type} · <code>{node.id}</code>
          </p>
        </div>
        <IconButton label="Close" icon={<X size={18} />} onClick={onClose} />
      </header>
      <div className={styles.panelBody}>
        <Facts state={state} />
        {state.status === "waiting" && !mayHoldWaits(node.type) && (
          <Waits execution={execution} state={state} />
        )}
        {mayHoldWaits(node.type) && ["running", "waiting"].includes(state.status) && (
          <InnerWaits execution={execution} state={state} />
        )}
        {state.error !== null && (
          <div className={styles.problem} role="alert">
            <strong>{state.error.code}</strong>
            <div>{state.error.message}</div>
          </div>
        )}
        <Attempts state={state} />
        {(node.type === "loop" || node.type === "map") && state.status !== "pending" && (
          <Iterations
            executionId={execution.id}
            nodeId={node.id}
            path=""
            progress={progressText(state)}
            version={iterationsOf(state) + (isNodeFinal(state.status) ? 1 : 0)}
          />
        )}
        {state.status === "running" && state.text !== "" && (
          <Value title="So far" value={state.text} />
        )}
        {output !== undefined && state.status !== "skipped" && isNodeFinal(state.status) && (
          <Value title="Output" value={output} isCut={state.isCut} />
        )}
        {input !== undefined && state.status !== "skipped" && <Value title="Input" value={input} />}
        {Object.keys(state.meta).length > 0 && <Value title="Details" value={state.meta} />}
        {hasEnded && state.status !== "skipped" && state.status !== "pending" && (
          <Button icon={<RotateCcw size={16} />} onClick={() => onRetryFrom(node.id)}>
            Run again from here
          </Button>
        )}
      </div>
    </aside>
  )
}

/** How many iterations have ended: as `meta.progress` tells it meanwhile, `meta` at the end. */
function progressText({ meta }: NodeState): string {
  const { done, succeeded, failed, total } = { ...meta, ...objectOf(meta.progress) }
  const [ended, bad, all] = [numberOf(done ?? succeeded), numberOf(failed) ?? 0, numberOf(total)]
  if (ended === null) return ""
  const parts = [all === null ? `${ended} done` : `${ended} of ${all} done`]
  if (bad > 0) parts.push(`${bad} failed`)
  return parts.join(", ")
}

const iterationsOf = (state: NodeState): number => {
  const { done, failed } = objectOf(state.meta.progress)
  return (numberOf(done) ?? 0) + (numberOf(failed) ?? 0)
}

function Facts({ state }: { state: NodeState }) {
  const usage = nodeUsage(state)
  const child = textOf(state.meta.child_execution_id)
  const reused = textOf(state.meta.reused_from)
  const facts: [string, ReactNode][] = [["Status", <StatusBadge key="s" status={state.status} />]]
  if (state.reason !== null) facts.push(["Why", reasonText(state.reason)])
  if (state.startedAt !== null) facts.push(["Took", <Elapsed key="e" node={state} />])
  if (state.startedAt !== null)
    facts.push(["Began", new Date(state.startedAt).toLocaleTimeString()])
  if (state.attempt > 1) facts.push(["Attempt", state.attempt])
  if (usage !== null) facts.push(["Tokens", count(tokensOf(usage))])
  if (usage !== null) facts.push(["Cost", money(usage.cost_usd)])
  if (typeof state.meta.model === "string") facts.push(["Model", state.meta.model])
  if (child !== null)
    facts.push([
      "Run",
      <Link key="c" to={`/executions/${child}`}>
        of the other workflow
      </Link>,
    ])
  if (reused !== null)
    facts.push([
      "Taken from",
      <Link key="r" to={`/executions/${reused}`}>
        an earlier run
      </Link>,
    ])
  return (
    <dl className={styles.factList}>
      {facts.map(([term, about]) => (
        <div key={term}>
          <dt>{term}</dt>
          <dd>{about}</dd>
        </div>
      ))}
    </dl>
  )
}

function Attempts({ state }: { state: NodeState }) {
  if (state.failed.length === 0) return null
  return (
    <section className={styles.value} aria-label="Attempts">
      <header>
        <h3>Attempts that failed</h3>
      </header>
      <ol className={styles.attempts}>
        {state.failed.map((attempt) => (
          <li key={attempt.number}>
            <strong>{attempt.number}</strong> {attempt.error?.code}: {attempt.error?.message}
            {attempt.nextAt !== null && !isNodeFinal(state.status) && (
              <span className={styles.soft}>
                {" "}
                next at {new Date(attempt.nextAt).toLocaleTimeString()}
              </span>
            )}
          </li>
        ))}
      </ol>
    </section>
  )
}
