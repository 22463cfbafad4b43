import { useState, type ReactNode } from "react"
import { CodeField } from "../canvas/CodeField"
import { Button } from "../ui/Button"
import { useForm, useIssues } from "./context"
import styles from "./forms.module.css"
import { JsonField } from "./JsonField"
import type { Schema } from "./schema"

interface Props {
  label: string
  hint?: ReactNode
  required?: boolean
  schema: Schema
  path: string
  value: unknown
  onChange: (value: unknown) => void
}

/** A template, or JSON with templates inside. A template that is one `{expression}` alone keeps
 * its value's type. */
export function ValueField(props: Props) {
  const { names } = useForm()
  const issues = useIssues(props.path)
  const isText = props.value === undefined || typeof props.value === "string"
  const takesNumber = props.schema.anyOf?.some((one) => one.type === "number") === true
  const takesJson = !takesNumber
  const [asJson, setAsJson] = useState(!isText && takesJson)

  const toggle = takesJson && (
    <Button size="small" variant="ghost" onClick={() => setAsJson(!asJson)}>
      {asJson ? "As a template" : "As JSON"}
    </Button>
  )
  if (asJson) {
    return (
      <div className={styles.field}>
        <div className={styles.corner}>{toggle}</div>
        <JsonField {...props} error={issues[0]?.message ?? null} />
      </div>
    )
  }
  const written = props.schema["x-pilot"] ?? {}
  const text =
    props.value === undefined
      ? ""
      : typeof props.value === "string"
        ? props.value
        : JSON.stringify(props.value)
  return (
    <div className={styles.field}>
      <div className={styles.corner}>{toggle}</div>
      <span className={styles.label}>
        {props.label}
        {props.required === true && <span className={styles.required}>*</span>}
      </span>
      <CodeField
        kind="template"
        label={props.label}
        value={text}
        lines={takesNumber ? 1 : 2}
        placeholder={typeof props.schema.default === "string" ? props.schema.default : ""}
        issues={issues.filter((issue) => issue.line != null)}
        names={() => names(written)}
        onChange={(next) => props.onChange(typed(next, takesNumber))}
      />
      {props.hint !== undefined && <p className={styles.hint}>{props.hint}</p>}
      {issues.map((issue, index) => (
        <p key={index} className={styles.error} data-severity={issue.severity}>
          {issue.message}
        </p>
      ))}
    </div>
  )
}

function typed(text: string, takesNumber: boolean): unknown {
  if (text === "") return undefined
  return takesNumber && /^\d+(\.\d+)?$/.test(text) ? Number(text) : text
}
