import { useQuery } from "@tanstack/react-query"
import { api, unwrap, type Schemas } from "./client"

export type NodeType = Schemas["NodeTypeOut"]
export type NodeTypes = ReadonlyMap<string, NodeType>

/** Every installed node type, by its name. They change with a deployment only. */
export function useNodeTypes() {
  return useQuery({
    queryKey: ["node-types"],
    queryFn: () => unwrap(api.GET("/api/v1/node-types")),
    select: byType,
    staleTime: Infinity,
  })
}

/** The same, where a page does without them until they are there. */
export const useKnownTypes = (): NodeTypes => useNodeTypes().data ?? NO_TYPES

const NO_TYPES: NodeTypes = new Map()

// by identity, so that `select` gives the same map for the same answer
function byType(answer: Schemas["NodeTypesOut"]): NodeTypes {
  return new Map(answer.items.map((item) => [item.type, item]))
}

/** The names of the caller's secrets; none for whoever may not list them. */
export function useSecretNames(): string[] {
  const found = useQuery({
    queryKey: ["secrets", "names"],
    queryFn: async () => {
      const page = await unwrap(api.GET("/api/v1/secrets"))
      return page.items.map((item) => item.name)
    },
    staleTime: 30_000,
    retry: false,
  })
  return found.data ?? NONE
}

const NONE: string[] = []
