/** What the server says before anybody has signed in: `/app/config.json`. */
export interface ServerConfig {
  version: string
  /** The local development issuer signs tokens (`pilot token`). */
  development: boolean
  clerk_publishable_key: string | null
  temporal_ui: string | null
}

export async function loadConfig(): Promise<ServerConfig> {
  const answer = await fetch(`${import.meta.env.BASE_URL}config.json`)
  if (!answer.ok) throw new Error(`The server answers ${answer.status} for its configuration.`)
  return (await answer.json()) as ServerConfig
}
