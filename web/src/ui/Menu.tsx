import { useEffect, useId, useLayoutEffect, useRef, useState, type ReactNode } from "react"
import { createPortal } from "react-dom"
import styles from "./ui.module.css"

export interface MenuItem {
  label: string
  icon?: ReactNode
  onSelect: () => void
  danger?: boolean
  disabled?: boolean
  shortcut?: string
}

interface TriggerProps {
  ref: (element: HTMLElement | null) => void
  onClick: () => void
  "aria-haspopup": "menu"
  "aria-expanded": boolean
  "aria-controls": string
}

/** A button's menu by the WAI-ARIA pattern: arrows, Home, End, letters; Escape closes. `null`
 * among the items is a separator. */
export function Menu(props: {
  label: string
  items: (MenuItem | null)[]
  children: (trigger: TriggerProps) => ReactNode
}) {
  const [anchor, setAnchor] = useState<HTMLElement | null>(null)
  const [open, setOpen] = useState(false)
  const id = useId()
  const close = () => {
    setOpen(false)
    anchor?.focus()
  }
  return (
    <>
      {props.children({
        ref: setAnchor,
        onClick: () => setOpen((before) => !before),
        "aria-haspopup": "menu",
        "aria-expanded": open,
        "aria-controls": id,
      })}
      {open && anchor && (
        <MenuList id={id} label={props.label} items={props.items} at={anchor} onClose={close} />
      )}
    </>
  )
}

/** Where a menu hangs: an element that it belongs to, or a point of the window. */
export type MenuAnchor = HTMLElement | { x: number; y: number }

export function MenuList(props: {
  id?: string
  label: string
  items: (MenuItem | null)[]
  at: MenuAnchor
  onClose: () => void
}) {
  const { items, at, onClose } = props
  const list = useRef<HTMLDivElement>(null)
  const [place, setPlace] = useState({ left: -9999, top: 0 })

  useLayoutEffect(() => {
    const element = list.current
    if (!element) return
    const box = element.getBoundingClientRect()
    const anchor =
      at instanceof HTMLElement
        ? at.getBoundingClientRect()
        : { left: at.x, right: at.x, top: at.y, bottom: at.y }
    const right = at instanceof HTMLElement ? anchor.right - box.width : anchor.left
    const below = anchor.bottom + 4
    const fits = below + box.height < window.innerHeight - 8
    setPlace({
      left: Math.max(8, Math.min(right, window.innerWidth - box.width - 8)),
      top: fits ? below : Math.max(8, anchor.top - box.height - 4),
    })
    element.querySelector<HTMLButtonElement>("button:not(:disabled)")?.focus()
  }, [at])

  useEffect(() => {
    function outside(event: PointerEvent) {
      const target = event.target as Node
      if (list.current?.contains(target)) return
      if (at instanceof HTMLElement && at.contains(target)) return
      onClose()
    }
    window.addEventListener("pointerdown", outside, true)
    return () => window.removeEventListener("pointerdown", outside, true)
  }, [at, onClose])

  function move(event: React.KeyboardEvent) {
    event.stopPropagation()
    const buttons = [
      ...(list.current?.querySelectorAll<HTMLElement>("button:not(:disabled)") ?? []),
    ]
    const index = buttons.indexOf(document.activeElement as HTMLElement)
    const focus = (to: number) => buttons[(to + buttons.length) % buttons.length]?.focus()
    switch (event.key) {
      case "ArrowDown":
        focus(index + 1)
        break
      case "ArrowUp":
        focus(index - 1)
        break
      case "Home":
        focus(0)
        break
      case "End":
        focus(-1)
        break
      case "Escape":
      case "Tab":
        onClose()
        break
      default: {
        const letter = event.key.toLowerCase()
        if (letter.length !== 1 || letter === " ") return
        const after = [...buttons.slice(index + 1), ...buttons.slice(0, index + 1)]
        after.find((button) => button.textContent.trim().toLowerCase().startsWith(letter))?.focus()
        return
      }
    }
    event.preventDefault()
  }

  return createPortal(
    // keys reach it from its items
    <div
      ref={list}
      id={props.id}
      role="menu"
      tabIndex={-1}
      aria-label={props.label}
      className={styles.menu}
      style={place}
      onKeyDown={move}
    >
      {items.map((item, index) =>
        item === null ? (
          <hr key={`line-${index}`} className={styles.menuLine} />
        ) : (
          <button
            key={item.label}
            type="button"
            role="menuitem"
            tabIndex={-1}
            disabled={item.disabled}
            className={item.danger === true ? styles.menuDanger : undefined}
            onClick={() => {
              onClose()
              item.onSelect()
            }}
          >
            {item.icon}
            <span>{item.label}</span>
            {item.shortcut !== undefined && <kbd>{item.shortcut}</kbd>}
          </button>
        ),
      )}
    </div>,
    document.body,
  )
}
