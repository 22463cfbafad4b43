import { Ban, Check, CircleDashed, Clock, LoaderCircle, Minus, Pause, X } from "lucide-react"

import { Badge } from "../ui/Badge"
import { statusLabel, TONES } from "./format"
import styles from "./run.module.css"

const ICONS = {
  queued: CircleDashed,
  pending: CircleDashed,
  running: LoaderCircle,
  waiting: Clock,
  paused: Pause,
  succeeded: Check,
  failed: X,
  timed_out: X,
  cancelled: Ban,
  skipped: Minus,
} as const

/** A status by its sign: never by its colour alone. */
export function StatusIcon({ status, size = 16 }: { status: string; size?: number }) {
  const Icon = ICONS[status as keyof typeof ICONS]
  return (
    <span
      className={styles.sign}
      data-tone={TONES[status] ?? "neutral"}
      title={statusLabel(status)}
    >
      <Icon
        size={size}
        strokeWidth={2.5}
        aria-hidden
        className={status === "running" ? styles.turning : undefined}
      />
      <span className="visually-hidden">{statusLabel(status)}</span>
    </span>
  )
}

export function StatusBadge({ status }: { status: string }) {
  const Icon = ICONS[status as keyof typeof ICONS]
  return (
    <Badge tone={TONES[status] ?? "neutral"}>
      <Icon
        size={13}
        strokeWidth={2.5}
        aria-hidden
        className={status === "running" ? styles.turning : undefined}
      />
      {statusLabel(status)}
    </Badge>
  )
}
