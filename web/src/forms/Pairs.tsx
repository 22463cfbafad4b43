import { Plus, Trash2 } from "lucide-react"
import { useState, type ReactNode } from "react"
import { CodeField } from "../canvas/CodeField"
import { Button, IconButton } from "../ui/Button"
import { useForm } from "./context"
import styles from "./forms.module.css"
import type { Schema } from "./schema"

/** Names and their values, which are templates or JSON. */
export function Pairs(props: {
  label: string
  hint?: ReactNode
  schema: Schema
  path: string
  value: Record<string, unknown> | undefined
  onChange: (value: unknown) => void
}) {
  const { names, issues } = useForm()
  const entries = Object.entries(props.value ?? {})
  const [adding, setAdding] = useState("")
  const written = props.schema["x-pilot"] ?? {}
  const set = (next: [string, unknown][]) =>
    props.onChange(next.length === 0 ? undefined : Object.fromEntries(next))
  const add = () => {
    const name = adding.trim()
    if (name === "" || entries.some(([key]) => key === name)) return
    set([...entries, [name, ""]])
    setAdding("")
  }
  return (
    <div className={styles.field} role="group" aria-label={props.label}>
      <span className={styles.label}>{props.label}</span>
      {props.hint !== undefined && <p className={styles.hint}>{props.hint}</p>}
      {entries.map(([name, value], index) => {
        const found = issues.filter((issue) => issue.field === `${props.path}.${name}`)
        const change = (next: [string, unknown]) =>
          set(entries.map((old, at) => (at === index ? next : old)))
        return (
          <div key={index} className={styles.pair}>
            <div className={styles.item}>
              <NameInput
                label={`${props.label}: name ${index + 1}`}
                name={name}
                taken={(other) => entries.some(([key], at) => at !== index && key === other)}
                onChange={(next) => change([next, value])}
              />
              <IconButton
                size="small"
                label={`Remove ${name}`}
                icon={<Trash2 size={14} />}
                onClick={() => set(entries.filter((_, at) => at !== index))}
              />
            </div>
            <CodeField
              kind="template"
              label={`${props.label}: ${name}`}
              value={typeof value === "string" ? value : JSON.stringify(value)}
              issues={found.filter((issue) => issue.line != null)}
              names={() => names(written)}
              onChange={(text) => change([name, typeof value === "string" ? text : parsed(text)])}
            />
            {found.map((issue, at) => (
              <p key={at} className={styles.error} data-severity={issue.severity}>
                {issue.message}
              </p>
            ))}
          </div>
        )
      })}
      <div className={styles.item}>
        <input
          className={styles.input}
          aria-label={`${props.label}: a new name`}
          placeholder="Name"
          value={adding}
          onChange={(event) => setAdding(event.target.value)}
          onKeyDown={(event) => {
            if (event.key === "Enter") add()
          }}
        />
        <Button
          size="small"
          icon={<Plus size={14} />}
          disabled={adding.trim() === ""}
          onClick={add}
        >
          Add
        </Button>
      </div>
    </div>
  )
}

/** A name is taken over when it is left: while it is typed it may be another's for a moment. */
function NameInput(props: {
  label: string
  name: string
  taken: (name: string) => boolean
  onChange: (name: string) => void
}) {
  const [typing, setTyping] = useState<string | null>(null)
  return (
    <input
      className={styles.input}
      aria-label={props.label}
      value={typing ?? props.name}
      onChange={(event) => setTyping(event.target.value)}
      onBlur={() => {
        const next = typing?.trim() ?? props.name
        setTyping(null)
        if (next !== "" && next !== props.name && !props.taken(next)) props.onChange(next)
      }}
    />
  )
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}
