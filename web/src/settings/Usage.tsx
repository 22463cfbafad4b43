import { useState } from "react"

import { Chart } from "../executions/Chart"
import { dayOf, daysOf, sinceOf } from "../executions/filters"
import { count, money } from "../run/format"
import { Button } from "../ui/Button"
import { Dialog } from "../ui/Dialog"
import { Field } from "../ui/Field"
import { Failed, Loading } from "../ui/State"
import { useToast } from "../ui/Toast"
import table from "../ui/table.module.css"
import { useWorkflows } from "../workflows/queries"
import { putBudget, useBudget, useChange, useUsage, type Budget } from "./queries"
import styles from "./settings.module.css"

const DAYS = 30

/** What models took in the last 30 days, and what they may take a day. */
export function UsageAndBudgets() {
  const budget = useBudget()
  const [isEditing, setEditing] = useState(false)
  return (
    <section>
      <div className={styles.lead}>
        <p>What calls of language models took, failed ones too, and what they may take a day.</p>
        {budget.isSuccess && <Button onClick={() => setEditing(true)}>Change the budget</Button>}
      </div>
      {budget.isPending ? (
        <Loading what="the budget" />
      ) : budget.isError ? (
        <Failed error={budget.error} onRetry={() => void budget.refetch()} />
      ) : (
        <div className={styles.budget}>
          <Meter
            title="Spent today (UTC)"
            used={budget.data.used.usd}
            limit={budget.data.effective.usd_per_day}
            ceiling={budget.data.ceiling.usd_per_day}
            text={money}
          />
          <Meter
            title="Tokens today (UTC)"
            used={budget.data.used.tokens}
            limit={budget.data.effective.tokens_per_day}
            ceiling={budget.data.ceiling.tokens_per_day}
            text={count}
          />
        </div>
      )}
      <ByDay />
      <Table by="model" title="By model" />
      <Table by="workflow" title="By workflow" />
      {isEditing && budget.isSuccess && (
        <BudgetDialog budget={budget.data} onClose={() => setEditing(false)} />
      )}
    </section>
  )
}

function Meter(props: {
  title: string
  used: number
  limit: number | null
  ceiling: number | null
  text: (value: number) => string
}) {
  const { used, limit, text } = props
  const share = limit === null ? 0 : limit === 0 ? 1 : Math.min(1, used / limit)
  return (
    <div className={styles.card}>
      <h2>{props.title}</h2>
      <strong>{text(used)}</strong>
      {limit === null ? (
        <p>No limit</p>
      ) : (
        <>
          <div className={styles.meter} aria-hidden>
            <span data-full={share >= 1} style={{ width: `${share * 100}%` }} />
          </div>
          <p>
            of {text(limit)} a day
            {props.ceiling !== null && limit === props.ceiling && ", the operator's ceiling"}
          </p>
        </>
      )}
    </div>
  )
}

function ByDay() {
  const report = useUsage(dayOf(sinceOf(DAYS)), "day")
  if (!report.isSuccess) return null
  const spend = new Map(report.data.items.map((row) => [row.day, row.cost_usd]))
  const bars = daysOf(DAYS).map((day) => ({
    day,
    parts: [{ name: "Models", tone: "accent", value: spend.get(day) ?? 0 }],
  }))
  return <Chart title="Spent on models a day" bars={bars} text={money} />
}

function Table({ by, title }: { by: "model" | "workflow"; title: string }) {
  const report = useUsage(dayOf(sinceOf(DAYS)), by)
  const workflows = useWorkflows(false).data?.pages.flatMap((page) => page.items) ?? []
  if (report.isPending) return <Loading what="usage" />
  if (report.isError) {
    return <Failed error={report.error} onRetry={() => void report.refetch()} />
  }
  const rows = [...report.data.items].sort((one, other) => other.cost_usd - one.cost_usd)
  if (rows.length === 0) return null
  const names = new Map(workflows.map((one) => [one.id, one.name]))
  return (
    <>
      <h2 className={styles.heading}>{title}, the last 30 days</h2>
      <div className={table.frame}>
        <table>
          <thead>
            <tr>
              <th scope="col">{by === "model" ? "Model" : "Workflow"}</th>
              <th scope="col" className={table.number}>
                Calls
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
            {rows.map((row) => {
              const id = (by === "model" ? row.model : row.workflow_id) ?? ""
              return (
                <tr key={id}>
                  <td>{by === "model" ? id : (names.get(id) ?? id)}</td>
                  <td className={table.number}>{count(row.calls)}</td>
                  <td className={table.number}>{count(row.total_tokens)}</td>
                  <td className={table.number}>{money(row.cost_usd)}</td>
                </tr>
              )
            })}
          </tbody>
        </table>
      </div>
    </>
  )
}

function BudgetDialog({ budget, onClose }: { budget: Budget; onClose: () => void }) {
  const [usd, setUsd] = useState(budget.usd_per_day?.toString() ?? "")
  const [tokens, setTokens] = useState(budget.tokens_per_day?.toString() ?? "")
  const put = useChange("budget", putBudget)
  const { say, complain } = useToast()
  const isGood = [usd, tokens].every((text) => text === "" || Number(text) >= 0)
  function submit() {
    if (!isGood || put.isPending) return
    put.mutate(
      {
        usd_per_day: usd === "" ? null : Number(usd),
        tokens_per_day: tokens === "" ? null : Math.round(Number(tokens)),
      },
      {
        onSuccess: () => {
          say("The budget is set")
          onClose()
        },
        onError: complain,
      },
    )
  }
  return (
    <Dialog
      title="The budget of a day"
      open
      onClose={onClose}
      footer={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button variant="primary" disabled={!isGood} busy={put.isPending} onClick={submit}>
            Set
          </Button>
        </>
      }
    >
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault()
          submit()
        }}
      >
        <Field label="US dollars a day" hint="Empty: no limit. 0: no calls.">
          {(field) => (
            <input
              {...field}
              type="number"
              min={0}
              step="any"
              autoFocus
              value={usd}
              onChange={(event) => setUsd(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="Tokens a day"
          hint="Over all workflows. A workflow may have its own beside it."
        >
          {(field) => (
            <input
              {...field}
              type="number"
              min={0}
              step={1}
              value={tokens}
              onChange={(event) => setTokens(event.target.value)}
            />
          )}
        </Field>
        <button type="submit" hidden />
      </form>
    </Dialog>
  )
}
