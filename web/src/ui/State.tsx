import { CircleAlert, RotateCw } from "lucide-react"
import type { ReactNode } from "react"
import { messageOf } from "../api/problem"
import { Button } from "./Button"
import styles from "./ui.module.css"

export function Loading({ what }: { what: string }) {
  return (
    <div className={styles.state} role="status">
      <span className={styles.spinner} aria-hidden />
      <span className="visually-hidden">Loading {what}</span>
    </div>
  )
}

export function Empty(props: {
  icon?: ReactNode
  title: string
  children?: ReactNode
  action?: ReactNode
}) {
  return (
    <div className={styles.state}>
      {props.icon !== undefined && <div className={styles.stateIcon}>{props.icon}</div>}
      <h2>{props.title}</h2>
      {props.children !== undefined && <div className={styles.stateText}>{props.children}</div>}
      {props.action}
    </div>
  )
}

export function Failed({ error, onRetry }: { error: unknown; onRetry?: () => void }) {
  return (
    <div className={styles.state} role="alert">
      <div className={styles.stateIcon} data-kind="error">
        <CircleAlert size={26} />
      </div>
      <h2>That did not work</h2>
      <p className={styles.stateText}>{messageOf(error)}</p>
      {onRetry && (
        <Button icon={<RotateCw size={16} />} onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  )
}
