extension Server {
    /// The table of routes: one line a group.
    func routes() -> [Route] {
        let routes =
            statusRoutes() + modelRoutes() + generationRoutes() + embeddingRoutes() + tokenizerRoutes()
            + dialectRoutes() + llamaServerRoutes() + inspectRoutes() + runRoutes() + pageRoutes()
        return routes + [openAPIRoute(routes)]
    }
}
