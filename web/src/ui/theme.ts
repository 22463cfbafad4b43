import { useSyncExternalStore } from "react"

export type Theme = "light" | "dark"
export type ThemeChoice = Theme | "system"

const KEY = "pilot.theme"
const listeners = new Set<() => void>()
const dark = () => window.matchMedia("(prefers-color-scheme: dark)")

export function themeChoice(): ThemeChoice {
  const kept = localStorage.getItem(KEY)
  return kept === "light" || kept === "dark" ? kept : "system"
}

export function theme(): Theme {
  const choice = themeChoice()
  if (choice !== "system") return choice
  return dark().matches ? "dark" : "light"
}

function apply() {
  document.documentElement.dataset.theme = theme()
  for (const listener of listeners) listener()
}

/** Called once, before anything is drawn. */
export function startTheme() {
  dark().addEventListener("change", apply)
  apply()
}

export function chooseTheme(choice: ThemeChoice) {
  if (choice === "system") localStorage.removeItem(KEY)
  else localStorage.setItem(KEY, choice)
  apply()
}

function subscribe(listener: () => void) {
  listeners.add(listener)
  return () => listeners.delete(listener)
}

export const useTheme = () => useSyncExternalStore(subscribe, theme)
export const useThemeChoice = () => useSyncExternalStore(subscribe, themeChoice)
