import { Search } from "lucide-react"
import { useEffect, useMemo, useRef, useState } from "react"
import type { NodeType, NodeTypes } from "../api/hooks"
import { iconOf } from "../graph/icons"
import styles from "./palette.module.css"

export const DRAGGED = "application/x-pilot-node"

const CATEGORIES: [string, string][] = [
  ["model", "Models"],
  ["control", "Flow"],
  ["data", "Data"],
  ["integration", "Integrations"],
]

function useFound(types: NodeTypes, search: string): [string, NodeType[]][] {
  return useMemo(() => {
    const words = search.toLowerCase().split(/\s+/).filter(Boolean)
    const found = [...types.values()].filter((type) => {
      const text = `${type.type} ${type.title} ${type.description}`.toLowerCase()
      return words.every((word) => text.includes(word))
    })
    return CATEGORIES.flatMap(([category, title]): [string, NodeType[]][] => {
      const items = found.filter((type) => type.category === category)
      return items.length > 0 ? [[title, items]] : []
    })
  }, [types, search])
}

/** Every node type: dragged onto the canvas, or clicked. */
export function Palette(props: { types: NodeTypes; onAdd: (type: string) => void }) {
  const [search, setSearch] = useState("")
  const groups = useFound(props.types, search)
  return (
    <aside className={styles.palette} aria-label="Nodes">
      <SearchBox value={search} onChange={setSearch} />
      <div className={styles.groups}>
        {groups.length === 0 && <p className={styles.none}>No node is called like that.</p>}
        {groups.map(([title, items]) => (
          <section key={title} aria-label={title}>
            <h2>{title}</h2>
            {items.map((type) => (
              <PaletteItem
                key={type.type}
                type={type}
                onSelect={() => props.onAdd(type.type)}
                drag
              />
            ))}
          </section>
        ))}
      </div>
    </aside>
  )
}

/** The same as a list at a point, for what a new edge leads to. */
export function QuickAdd(props: {
  types: NodeTypes
  at: { x: number; y: number }
  onAdd: (type: string) => void
  onClose: () => void
}) {
  const { onClose } = props
  const [search, setSearch] = useState("")
  const box = useRef<HTMLDivElement>(null)
  const groups = useFound(props.types, search)
  const first = groups[0]?.[1][0]

  useEffect(() => {
    function outside(event: PointerEvent) {
      if (!box.current?.contains(event.target as Node)) onClose()
    }
    window.addEventListener("pointerdown", outside, true)
    return () => window.removeEventListener("pointerdown", outside, true)
  }, [onClose])

  return (
    <div
      ref={box}
      className={styles.quick}
      role="dialog"
      aria-label="Add a node"
      style={{
        left: Math.min(props.at.x, window.innerWidth - 280),
        top: Math.min(props.at.y, window.innerHeight - 360),
      }}
      onKeyDown={(event) => {
        event.stopPropagation()
        if (event.key === "Escape") onClose()
        if (event.key === "Enter" && first && event.target instanceof HTMLInputElement) {
          props.onAdd(first.type)
        }
      }}
    >
      <SearchBox value={search} onChange={setSearch} autoFocus />
      <div className={styles.groups}>
        {groups.map(([title, items]) => (
          <section key={title} aria-label={title}>
            <h2>{title}</h2>
            {items.map((type) => (
              <PaletteItem key={type.type} type={type} onSelect={() => props.onAdd(type.type)} />
            ))}
          </section>
        ))}
      </div>
    </div>
  )
}

function SearchBox(props: {
  value: string
  onChange: (value: string) => void
  autoFocus?: boolean
}) {
  return (
    <div className={styles.search}>
      <Search size={15} aria-hidden />
      <input
        type="search"
        aria-label="Search nodes"
        placeholder="Search nodes"
        autoFocus={props.autoFocus}
        value={props.value}
        onChange={(event) => props.onChange(event.target.value)}
      />
    </div>
  )
}

function PaletteItem(props: { type: NodeType; onSelect: () => void; drag?: boolean }) {
  const { type } = props
  const Icon = iconOf(type.icon)
  return (
    <button
      type="button"
      className={styles.item}
      style={{ "--cat": `var(--cat-${type.category})` } as React.CSSProperties}
      title={type.description}
      draggable={props.drag}
      onDragStart={(event) => {
        event.dataTransfer.setData(DRAGGED, type.type)
        event.dataTransfer.effectAllowed = "copy"
      }}
      onClick={props.onSelect}
    >
      <span className={styles.icon} aria-hidden>
        <Icon size={16} />
      </span>
      {type.title}
    </button>
  )
}
