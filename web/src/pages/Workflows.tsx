import { Page } from "../layout/Page"

export function WorkflowsPage() {
  return <Page title="Workflows">{null}</Page>
}
