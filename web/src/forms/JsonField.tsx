import { useEffect, useState, type ReactNode } from "react"
import { CodeField } from "../canvas/CodeField"
import styles from "./forms.module.css"

const pretty = (value: unknown) => (value === undefined ? "" : JSON.stringify(value, null, 2))

/** Any JSON, as text; what does not parse is said and goes nowhere. */
export function JsonField(props: {
  label: string
  hint?: ReactNode
  error?: string | null
  value: unknown
  onChange: (value: unknown) => void
  lines?: number
}) {
  const [text, setText] = useState(() => pretty(props.value))
  const [wrong, setWrong] = useState<string | null>(null)

  // another value from outside (undo, another version) replaces the text; one's own does not
  const outside = pretty(props.value)
  useEffect(() => {
    setText((before) => (compact(before) === compact(outside) ? before : outside))
    setWrong(null)
  }, [outside])

  return (
    <div className={styles.field}>
      <span className={styles.label}>{props.label}</span>
      <CodeField
        kind="json"
        label={props.label}
        value={text}
        lines={props.lines ?? 3}
        onChange={(next) => {
          setText(next)
          if (next.trim() === "") {
            setWrong(null)
            props.onChange(undefined)
            return
          }
          try {
            const value: unknown = JSON.parse(next)
            setWrong(null)
            props.onChange(value)
          } catch (error) {
            setWrong(error instanceof Error ? error.message : String(error))
          }
        }}
      />
      {props.hint !== undefined && <p className={styles.hint}>{props.hint}</p>}
      {(wrong ?? props.error) != null && <p className={styles.error}>{wrong ?? props.error}</p>}
    </div>
  )
}

function compact(text: string): string | null {
  if (text.trim() === "") return ""
  try {
    return JSON.stringify(JSON.parse(text))
  } catch {
    return null
  }
}
