import { useQuery } from "@tanstack/react-query"
import { useCallback, useMemo, useState } from "react"
import { useSearchParams } from "react-router"

import { api, unwrap } from "../api/client"
import { isFinal } from "../live/events"
import { Failed, Loading } from "../ui/State"
import { Tabs } from "../ui/Tabs"
import { Children } from "./Children"
import { Logs } from "./Logs"
import { NodePanel } from "./NodePanel"
import { Notices } from "./Notices"
import { graphOf } from "./path"
import { RunGraph } from "./RunGraph"
import { RunHeader } from "./RunHeader"
import styles from "./run.module.css"
import { Timeline } from "./Timeline"
import { useRunActions } from "./actions"
import { RunContext, useRun, useRunState, type Execution } from "./useRun"
import { Value } from "./Value"

/** A run: live while it goes on, and as it was once it has ended. */
export function RunView({ id }: { id: string }) {
  const { execution, store } = useRun(id)
  if (execution.isPending) return <Loading what="the run" />
  if (execution.isError && execution.data === undefined)
    return <Failed error={execution.error} onRetry={() => void execution.refetch()} />
  return (
    <RunContext value={store}>
      <Loaded execution={execution.data} />
    </RunContext>
  )
}

function Loaded({ execution }: { execution: Execution }) {
  const actions = useRunActions(execution.id)
  const path = { workflow_id: execution.workflow_id, version: execution.workflow_version }
  const version = useQuery({
    queryKey: ["workflows", execution.workflow_id, "versions", execution.workflow_version],
    queryFn: () =>
      unwrap(api.GET("/api/v1/workflows/{workflow_id}/versions/{version}", { params: { path } })),
    staleTime: Infinity,
  })
  const graph = useMemo(
    () => (version.data === undefined ? null : graphOf(version.data)),
    [version.data],
  )
  const [search, setSearch] = useSearchParams()
  const selected = search.get("node")
  const select = useCallback(
    (id: string | null) => setSearch(id === null ? {} : { node: id }, { replace: true }),
    [setSearch],
  )
  if (version.isError)
    return <Failed error={version.error} onRetry={() => void version.refetch()} />
  if (graph === null) return <Loading what="the graph" />
  const node = graph.nodes.find((one) => one.id === selected)
  return (
    <div className={styles.run}>
      <RunHeader execution={execution} name={version.data?.name ?? ""} actions={actions} />
      <Notices graph={graph} onSelect={select} />
      <div className={styles.middle} data-panel={node !== undefined || undefined}>
        <section className={styles.graph} aria-label="Graph">
          <RunGraph graph={graph} selected={selected} onSelect={select} />
        </section>
        {node !== undefined && (
          <NodePanel
            key={node.id}
            execution={execution}
            graph={graph}
            node={node}
            onClose={() => select(null)}
            onRetryFrom={(from) => actions.retry.mutate(from)}
          />
        )}
      </div>
      <Below execution={execution} graph={graph} selected={selected} onSelect={select} />
    </div>
  )
}

type Tab = "timeline" | "logs" | "result" | "children"

function Below(props: {
  execution: Execution
  graph: ReturnType<typeof graphOf>
  selected: string | null
  onSelect: (id: string | null) => void
}) {
  const { execution, graph } = props
  const [tab, setTab] = useState<Tab>("timeline")
  const isOpen = useRunState((run) => !isFinal(run.status))
  const output = useRunState((run) => run.output)
  const isCut = useRunState((run) => run.isCut)
  const tabs: { id: Tab; label: string }[] = [
    { id: "timeline", label: "Time line" },
    { id: "logs", label: "Logs" },
    { id: "result", label: "Input and output" },
  ]
  if (graph.nodes.some((node) => node.type === "workflow") || tab === "children")
    tabs.push({ id: "children", label: "Child runs" })
  return (
    <section className={styles.below} aria-label="The run in detail">
      <Tabs label="The run in detail" tabs={tabs} value={tab} onChange={setTab}>
        {tab === "timeline" && (
          <Timeline graph={graph} selected={props.selected} onSelect={props.onSelect} />
        )}
        {tab === "logs" && <Logs />}
        {tab === "children" && <Children executionId={execution.id} isOpen={isOpen} />}
        {tab === "result" && (
          <div className={styles.result}>
            <Value title="Input" value={execution.input} />
            {isOpen ? null : <Value title="Output" value={output} isCut={isCut} />}
          </div>
        )}
      </Tabs>
    </section>
  )
}
