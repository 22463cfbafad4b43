import type { CSSProperties, ReactNode } from "react"

import styles from "./graph.module.css"
import { iconOf } from "./icons"

interface Props {
  name: string
  /** The type's title. */
  title: string
  icon?: string | undefined
  category?: string | undefined
  /** A node's status in a run; on the canvas there is none. */
  status?: string | undefined
  selected?: boolean
  /** Beside the name: a badge, a spinner. */
  mark?: ReactNode
  /** Below: what is to be read at a glance. */
  children?: ReactNode
}

/** What a node looks like, on the canvas and in a run. */
export function NodeCard(props: Props) {
  const Icon = iconOf(props.icon)
  const colour = { "--cat": `var(--cat-${props.category ?? "control"})` } as CSSProperties
  return (
    <div
      className={styles.card}
      data-status={props.status}
      data-selected={props.selected === true || undefined}
      style={colour}
    >
      <div className={styles.head}>
        <span className={styles.icon} aria-hidden>
          <Icon size={18} />
        </span>
        <span className={styles.names}>
          <span className={styles.name} title={props.name}>
            {props.name}
          </span>
          <span className={styles.type}>{props.title}</span>
        </span>
        {props.mark}
      </div>
      {props.children}
    </div>
  )
}
