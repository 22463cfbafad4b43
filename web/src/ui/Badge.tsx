import type { ReactNode } from "react"
import styles from "./ui.module.css"

export type Tone = "neutral" | "accent" | "ok" | "warn" | "error" | "info"

export function Badge({ tone = "neutral", children }: { tone?: Tone; children: ReactNode }) {
  return (
    <span className={styles.badge} data-tone={tone}>
      {children}
    </span>
  )
}
