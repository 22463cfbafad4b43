import { useParams } from "react-router"

import { RunView } from "../run/RunView"

export function ExecutionPage() {
  const { id = "" } = useParams()
  return (
    <main id="main" tabIndex={-1} style={{ height: "100%", minHeight: 0, outline: "none" }}>
      <RunView key={id} id={id} />
    </main>
  )
}
