import { Page } from "../layout/Page"

export function ExecutionPage() {
  return <Page title="Execution">{null}</Page>
}
