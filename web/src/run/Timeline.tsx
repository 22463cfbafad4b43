import { useMemo, useRef, useState } from "react"

import { isFinal } from "../live/events"
import { Empty } from "../ui/State"
import { duration, TONES } from "./format"
import { useNow } from "./now"
import { nameOf } from "../graph/model"
import type { Graph } from "./path"
import styles from "./run.module.css"
import { StatusIcon } from "./StatusBadge"
import { barsOf, spanOf, ticks, type Bar } from "./timeline"
import { useRunState } from "./useRun"

const ROW_PX = 28
/** Rows beyond what can be seen, so that scrolling shows none empty. */
const BEYOND = 8

/** The nodes along the run's time. Only the rows that can be seen are in the page. */
export function Timeline(props: {
  graph: Graph
  selected: string | null
  onSelect: (id: string) => void
}) {
  const run = useRunState((state) => state)
  const now = useNow(run.startedAt !== null && !isFinal(run.status))
  const bars = useMemo(() => barsOf(run, now), [run, now])
  const names = useMemo(
    () => new Map(props.graph.nodes.map((node) => [node.id, nameOf(node)])),
    [props.graph],
  )
  const [top, setTop] = useState(0)
  const scroller = useRef<HTMLDivElement>(null)
  if (bars.length === 0) return <Empty title="Nothing has begun yet" />

  const span = spanOf(run, bars, now)
  const length = span.end - span.begin
  const height = scroller.current?.clientHeight ?? 400
  const first = Math.max(0, Math.floor(top / ROW_PX) - BEYOND)
  const last = Math.ceil((top + height) / ROW_PX) + BEYOND
  const percent = (ms: number) => `${Math.min(100, Math.max(0, (ms * 100) / length))}%`

  return (
    <div
      ref={scroller}
      className={styles.timeline}
      role="region"
      aria-label="Time line"
      tabIndex={0}
      onScroll={(event) => setTop(event.currentTarget.scrollTop)}
    >
      <div className={styles.scale} aria-hidden>
        <span>0</span>
        {ticks(length, 6).map((at) => (
          <span key={at} style={{ left: percent(at) }}>
            {duration(at)}
          </span>
        ))}
      </div>
      <ul style={{ height: bars.length * ROW_PX }}>
        {bars.slice(first, last).map((bar, index) => (
          <Row
            key={bar.key}
            bar={bar}
            name={names.get(bar.id) ?? bar.id}
            top={(first + index) * ROW_PX}
            left={percent(bar.begin - span.begin)}
            width={percent(bar.end - bar.begin)}
            isSelected={bar.id === props.selected}
            onSelect={props.onSelect}
          />
        ))}
      </ul>
    </div>
  )
}

function Row(props: {
  bar: Bar
  name: string
  top: number
  left: string
  width: string
  isSelected: boolean
  onSelect: (id: string) => void
}) {
  const { bar } = props
  return (
    <li style={{ top: props.top, height: ROW_PX }}>
      <button
        type="button"
        aria-pressed={props.isSelected}
        onClick={() => props.onSelect(bar.id.split("#")[0] ?? bar.id)}
      >
        <span className={styles.rowName}>
          <StatusIcon status={bar.status} size={13} />
          <span className={styles.line}>{props.name}</span>
          {bar.path !== "" && <span className={styles.soft}>{bar.path}</span>}
        </span>
        <span className={styles.lane}>
          <span
            className={styles.bar}
            data-tone={TONES[bar.status] ?? "neutral"}
            style={{ left: props.left, width: props.width }}
          />
          <span className={styles.took}>
            {duration(bar.end - bar.begin)}
            {bar.attempts > 1 && ` · attempt ${bar.attempts}`}
          </span>
        </span>
      </button>
    </li>
  )
}
