import { useId, useRef, type KeyboardEvent, type ReactNode } from "react"

import styles from "./tabs.module.css"

/** Tabs by the WAI-ARIA pattern: arrows, Home and End move between them. */
export function Tabs<Id extends string>(props: {
  label: string
  tabs: readonly { id: Id; label: ReactNode }[]
  value: Id
  onChange: (id: Id) => void
  children: ReactNode
}) {
  const base = useId()
  const list = useRef<HTMLDivElement>(null)
  function move(event: KeyboardEvent) {
    const index = props.tabs.findIndex((tab) => tab.id === props.value)
    const to = { ArrowRight: index + 1, ArrowLeft: index - 1, Home: 0, End: -1 }[event.key]
    if (to === undefined) return
    const next = props.tabs.at(to % props.tabs.length)
    if (next === undefined) return
    event.preventDefault()
    props.onChange(next.id)
    list.current?.querySelector<HTMLElement>(`[data-tab="${next.id}"]`)?.focus()
  }
  return (
    <>
      <div
        ref={list}
        role="tablist"
        aria-label={props.label}
        className={styles.tabs}
        onKeyDown={move}
      >
        {props.tabs.map((tab) => (
          <button
            key={tab.id}
            type="button"
            role="tab"
            id={`${base}-${tab.id}`}
            data-tab={tab.id}
            aria-selected={tab.id === props.value}
            aria-controls={`${base}-panel`}
            tabIndex={tab.id === props.value ? 0 : -1}
            onClick={() => props.onChange(tab.id)}
          >
            {tab.label}
          </button>
        ))}
      </div>
      <div
        role="tabpanel"
        id={`${base}-panel`}
        aria-labelledby={`${base}-${props.value}`}
        className={styles.panel}
      >
        {props.children}
      </div>
    </>
  )
}
