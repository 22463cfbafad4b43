import { Activity } from "lucide-react"
import { Link, useSearchParams } from "react-router"

import { Chart, type Bar } from "../executions/Chart"
import { daysOf, filtersOf, PERIODS, STATUSES, type Filters } from "../executions/filters"
import {
  useExecutions,
  useRunsByDay,
  useSpendByDay,
  type ExecutionSummary,
} from "../executions/queries"
import styles from "../executions/executions.module.css"
import { Page } from "../layout/Page"
import { count, duration, money, statusLabel, TONES } from "../run/format"
import { useNow } from "../run/now"
import { StatusBadge } from "../run/StatusBadge"
import { Button } from "../ui/Button"
import { Empty, Failed, Loading } from "../ui/State"
import { ago, exact } from "../ui/time"
import table from "../ui/table.module.css"
import { useWorkflows } from "../workflows/queries"

/** What has run: by day, and one by one, each with a link to its page. */
export function ExecutionsPage() {
  const [params, setParams] = useSearchParams()
  const filters = filtersOf(params)
  const set = (name: string, value: string) =>
    setParams(
      (before) => {
        if (value === "") before.delete(name)
        else before.set(name, value)
        return before
      },
      { replace: true },
    )
  const workflows = useWorkflows(false).data?.pages.flatMap((page) => page.items) ?? []
  const names = new Map(workflows.map((one) => [one.id, one.name]))
  return (
    <Page title="Executions">
      <div className={styles.filters}>
        <select
          aria-label="Workflow"
          value={filters.workflow ?? ""}
          onChange={(event) => set("workflow_id", event.target.value)}
        >
          <option value="">All workflows</option>
          {filters.workflow !== null && !names.has(filters.workflow) && (
            <option value={filters.workflow}>{filters.workflow}</option>
          )}
          {workflows.map((one) => (
            <option key={one.id} value={one.id}>
              {one.name}
            </option>
          ))}
        </select>
        <select
          aria-label="Status"
          value={filters.status ?? ""}
          onChange={(event) => set("status", event.target.value)}
        >
          <option value="">Any status</option>
          {STATUSES.map((status) => (
            <option key={status} value={status}>
              {statusLabel(status)}
            </option>
          ))}
        </select>
        <select
          aria-label="Period"
          value={filters.days}
          onChange={(event) => set("days", event.target.value)}
        >
          {PERIODS.map((days) => (
            <option key={days} value={days}>
              {days === 1 ? "Today (UTC)" : `Last ${days} days`}
            </option>
          ))}
        </select>
      </div>
      {filters.days > 1 && <Charts filters={filters} />}
      <List filters={filters} names={names} />
    </Page>
  )
}

const ORDER = [...STATUSES].reverse()

function Charts({ filters }: { filters: Filters }) {
  const runs = useRunsByDay(filters)
  const spend = useSpendByDay(filters)
  const days = daysOf(filters.days)
  const byDay = new Map(runs.data?.items.map((one) => [one.day, one.statuses]))
  const runBars: Bar[] = days.map((day) => ({
    day,
    parts: ORDER.filter((status) => filters.status === null || status === filters.status).map(
      (status) => ({
        name: statusLabel(status),
        tone: TONES[status] ?? "neutral",
        value: byDay.get(day)?.[status] ?? 0,
      }),
    ),
  }))
  const spendBars: Bar[] = days.map((day) => ({
    day,
    parts: [{ name: "Models", tone: "accent", value: spend.data?.get(day) ?? 0 }],
  }))
  return (
    <div className={styles.charts}>
      <Chart title="Runs a day" bars={runBars} text={count} />
      <Chart title="Spent on models a day" bars={spendBars} text={money} />
    </div>
  )
}

function List({ filters, names }: { filters: Filters; names: Map<string, string> }) {
  const list = useExecutions(filters)
  if (list.isPending) return <Loading what="executions" />
  if (list.isError) return <Failed error={list.error} onRetry={() => void list.refetch()} />
  const items = list.data.pages.flatMap((page) => page.items)
  if (items.length === 0) {
    const isNarrow = filters.workflow !== null || filters.status !== null
    return (
      <Empty icon={<Activity />} title={isNarrow ? "No such executions" : "Nothing has run yet"}>
        {isNarrow ? "Choose another filter or period." : "Open a workflow and press Run."}
      </Empty>
    )
  }
  return (
    <div className={table.frame}>
      <table>
        <thead>
          <tr>
            <th scope="col">Workflow</th>
            <th scope="col">Status</th>
            <th scope="col">Begun</th>
            <th scope="col" className={table.number}>
              Took
            </th>
            <th scope="col" className={table.number}>
              Tokens
            </th>
            <th scope="col" className={table.number}>
              Cost
            </th>
          </tr>
        </thead>
        <tbody>
          {items.map((one) => (
            <Row key={one.id} execution={one} name={names.get(one.workflow_id)} />
          ))}
        </tbody>
      </table>
      {list.hasNextPage && (
        <div className={styles.more}>
          <Button disabled={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>
            {list.isFetchingNextPage ? "Loading…" : "Show more"}
          </Button>
        </div>
      )}
    </div>
  )
}

const STARTED_BY: Record<string, string> = {
  schedule: "by a schedule",
  webhook: "by a webhook",
  workflow: "by another system",
}

function Row({ execution, name }: { execution: ExecutionSummary; name: string | undefined }) {
  const { usage } = execution
  const tokens = (usage.prompt_tokens ?? 0) + (usage.completion_tokens ?? 0)
  const cost = usage.cost_usd ?? 0
  const by = execution.triggered == null ? undefined : STARTED_BY[execution.triggered.type]
  return (
    <tr>
      <td>
        <Link className={styles.name} to={`/executions/${execution.id}`}>
          {name ?? "A workflow"}
        </Link>
        <span className={styles.under}>
          {execution.id.slice(0, 8)} · version {execution.workflow_version}
          {by !== undefined && ` · ${by}`}
        </span>
      </td>
      <td title={execution.error?.message}>
        <StatusBadge status={execution.status} />
      </td>
      <td title={exact(execution.created_at)}>{ago(execution.created_at)}</td>
      <td className={table.number}>
        <Took execution={execution} />
      </td>
      <td className={table.number}>{tokens === 0 ? "" : count(tokens)}</td>
      <td className={table.number}>{cost === 0 ? "" : money(cost)}</td>
    </tr>
  )
}

function Took({ execution }: { execution: ExecutionSummary }) {
  const { started_at: started, finished_at: finished } = execution
  if (started === null) return null
  if (finished !== null) return <>{duration(Date.parse(finished) - Date.parse(started))}</>
  return <Running since={Date.parse(started)} />
}

function Running({ since }: { since: number }) {
  return <>{duration(useNow(true) - since)}</>
}
