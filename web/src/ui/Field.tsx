import { useId, type ReactNode } from "react"
import styles from "./ui.module.css"

export interface FieldProps {
  id: string
  className: string
  "aria-describedby"?: string
  "aria-invalid"?: true
}

/** A label, its control, a hint and what is wrong: joined for screen readers too. */
export function Field(props: {
  label: string
  hint?: ReactNode
  error?: string | null
  required?: boolean
  children: (field: FieldProps) => ReactNode
}) {
  const id = useId()
  const hint = props.hint !== undefined && props.hint !== ""
  const error = props.error ?? null
  const about = [hint && `${id}-hint`, error !== null && `${id}-error`].filter(Boolean).join(" ")
  return (
    <div className={styles.field}>
      <label htmlFor={id}>
        {props.label}
        {props.required === true && (
          <span className={styles.required} title="required">
            *
          </span>
        )}
      </label>
      {props.children({
        id,
        className: styles.input ?? "",
        ...(about === "" ? {} : { "aria-describedby": about }),
        ...(error === null ? {} : { "aria-invalid": true as const }),
      })}
      {hint && (
        <p id={`${id}-hint`} className={styles.fieldHint}>
          {props.hint}
        </p>
      )}
      {error !== null && (
        <p id={`${id}-error`} className={styles.fieldError}>
          {error}
        </p>
      )}
    </div>
  )
}

export function Switch(props: {
  label: string
  checked: boolean
  onChange: (checked: boolean) => void
  hint?: string
  disabled?: boolean
}) {
  const id = useId()
  return (
    <div className={styles.field}>
      <div className={styles.switchRow}>
        <label htmlFor={id}>{props.label}</label>
        <button
          id={id}
          type="button"
          role="switch"
          aria-checked={props.checked}
          disabled={props.disabled}
          className={styles.switch}
          onClick={() => props.onChange(!props.checked)}
        >
          <span />
        </button>
      </div>
      {props.hint !== undefined && <p className={styles.fieldHint}>{props.hint}</p>}
    </div>
  )
}
