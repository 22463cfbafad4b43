import type { NodeType } from "../api/hooks"
import { JsonField } from "../forms/JsonField"
import type { GraphNode } from "../graph/model"
import { Field, Switch } from "../ui/Field"
import { useEditing } from "./context"
import styles from "./panel.module.css"

const RETRY: [string, string, keyof NodeType["policy"]["retry"]][] = [
  ["max_attempts", "Attempts, the first counted", "max_attempts"],
  ["initial_s", "First pause (seconds)", "initial_s"],
  ["backoff", "Each pause is so many times the last", "backoff"],
  ["max_s", "Longest pause (seconds)", "max_s"],
]

/** What holds for a node of any type: what comes after a failure, and when it may begin. */
export function Running({ node, type }: { node: GraphNode; type: NodeType | undefined }) {
  const { canvas } = useEditing()
  const set = (field: string, value: unknown) =>
    canvas.getState().update(
      node.id,
      (one) => {
        const { [field]: _, ...rest } = one
        return value === undefined ? (rest as GraphNode) : { ...one, [field]: value }
      },
      field,
    )
  const retry = (node.retry ?? {}) as Record<string, unknown>
  const onError = node.on_error
  const isDefault = typeof onError === "object" && onError !== null
  const failing = isDefault ? "default" : typeof onError === "string" ? onError : "fail"
  const join = node.join
  const nOf = typeof join === "object" && join !== null ? (join as { n_of: number }).n_of : null

  return (
    <>
      <Field label="When it fails" hint={ON_ERROR[failing]}>
        {(field) => (
          <select
            {...field}
            value={failing}
            onChange={(event) => {
              const chosen = event.target.value
              if (chosen === "fail") set("on_error", undefined)
              else set("on_error", chosen === "default" ? { default: null } : chosen)
            }}
          >
            <option value="fail">The run fails</option>
            <option value="continue">Go on without it</option>
            <option value="branch">Take the way “error”</option>
            <option value="default">Go on with a value</option>
          </select>
        )}
      </Field>
      {isDefault && (
        <JsonField
          label="The value"
          value={(onError as { default?: unknown }).default}
          onChange={(value) => set("on_error", { default: value ?? null })}
        />
      )}
      <NumberField
        label="Time limit of an attempt (seconds)"
        fallback={type?.policy.timeout_s}
        value={node.timeout_s}
        onChange={(value) => set("timeout_s", value)}
      />
      {RETRY.map(([name, label, policy]) => (
        <NumberField
          key={name}
          label={label}
          fallback={type?.policy.retry[policy] as number | undefined}
          value={retry[name]}
          onChange={(value) => {
            const { [name]: _, ...rest } = retry
            const next = value === undefined ? rest : { ...retry, [name]: value }
            set("retry", Object.keys(next).length === 0 ? undefined : next)
          }}
        />
      ))}
      {node.type !== "start" && node.type !== "merge" && (
        <Field label="It begins when" hint="Of the ways that lead to it.">
          {(field) => (
            <select
              {...field}
              value={nOf !== null ? "n_of" : typeof join === "string" ? join : "all"}
              onChange={(event) => {
                const chosen = event.target.value
                if (chosen === "all") set("join", undefined)
                else set("join", chosen === "n_of" ? { n_of: 2 } : chosen)
              }}
            >
              <option value="all">all that are taken have come</option>
              <option value="any">the first has come</option>
              <option value="n_of">so many have come</option>
            </select>
          )}
        </Field>
      )}
      {nOf !== null && (
        <NumberField
          label="How many"
          value={nOf}
          onChange={(value) => set("join", { n_of: Math.max(1, Math.round(value ?? 1)) })}
        />
      )}
      <Switch
        label="For cleaning up"
        hint="It and what follows it run only when the execution is cancelled or timed out."
        checked={node.on_cancel === true}
        onChange={(checked) => set("on_cancel", checked ? true : undefined)}
      />
      <p className={styles.text}>What is left empty has its type’s default.</p>
    </>
  )
}

const ON_ERROR: Record<string, string> = {
  fail: "After the last attempt the whole run ends as failed.",
  continue: "Its output is null, and what follows runs.",
  branch: "It gets a second way out, for what is to be done then.",
  default: "Its output is the value below, and what follows runs.",
}

function NumberField(props: {
  label: string
  value: unknown
  fallback?: number | undefined
  onChange: (value: number | undefined) => void
}) {
  return (
    <Field label={props.label}>
      {(field) => (
        <input
          {...field}
          type="number"
          step="any"
          min={0}
          placeholder={props.fallback === undefined ? "" : String(props.fallback)}
          value={typeof props.value === "number" ? props.value : ""}
          onChange={(event) =>
            props.onChange(event.target.value === "" ? undefined : event.target.valueAsNumber)
          }
        />
      )}
    </Field>
  )
}
