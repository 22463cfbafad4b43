import { Page } from "../layout/Page"

export function ExecutionsPage() {
  return <Page title="Executions">{null}</Page>
}
