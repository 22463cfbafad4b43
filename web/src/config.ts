import { createContext, useContext } from "react"
import type { ServerConfig } from "./api/config"

export const ConfigContext = createContext<ServerConfig | null>(null)

/** What the server said of itself; loaded before any page is shown. */
export function useConfig(): ServerConfig {
  const config = useContext(ConfigContext)
  if (!config) throw new Error("useConfig is for pages, which are shown after it is loaded")
  return config
}
