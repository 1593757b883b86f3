import Martlet

/// The statistics of engines, under Martlet's metric names and those that dashboards for vLLM and llama.cpp use.
enum EngineMetrics {
    private typealias Value = (EngineStatistics) -> Double
    private typealias Distribution = (EngineStatistics) -> Histogram

    static func write(_ engines: [(name: String, statistics: EngineStatistics)], to text: inout PrometheusText) {
        guard !engines.isEmpty else { return }
        func values(_ name: String, _ kind: PrometheusText.Kind, _ help: String, _ value: Value) {
            text.family(name, kind, help)
            for engine in engines { text.sample(name, ["model_name": engine.name], value(engine.statistics)) }
        }
        func histograms(_ name: String, _ help: String, _ value: Distribution) {
            text.family(name, .histogram, help)
            for engine in engines {
                let histogram = value(engine.statistics)
                text.histogram(
                    name, [("model_name", engine.name)], bounds: histogram.bounds, counts: histogram.counts,
                    sum: histogram.sum)
            }
        }
        for row in Self.values {
            for name in row.names { values(name, row.kind, row.help, row.value) }
        }
        for row in distributions {
            for name in ["martlet_" + row.name, "vllm:" + row.name] { histograms(name, row.help, row.value) }
        }
        for name in ["martlet_requests_finished_total", "vllm:request_success_total"] {
            text.family(name, .counter, "Finished replies, by finish reason.")
            for engine in engines {
                for (reason, count) in engine.statistics.finished.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                    text.sample(
                        name, ["model_name": engine.name, "finished_reason": reason.rawValue], Double(count))
                }
            }
        }
    }

    private struct ValueRow {
        var names: [String]
        var kind: PrometheusText.Kind
        var help: String
        var value: Value
    }

    private static func row(
        _ names: String, _ kind: PrometheusText.Kind, _ help: String, _ value: @escaping Value
    ) -> ValueRow {
        ValueRow(names: names.split(separator: " ").map(String.init), kind: kind, help: help, value: value)
    }

    private static var values: [ValueRow] {
        [
            row(
                "martlet_requests_running vllm:num_requests_running llamacpp:requests_processing", .gauge,
                "Running replies."
            ) { Double($0.runningRequests) },
            row(
                "martlet_requests_waiting vllm:num_requests_waiting llamacpp:requests_deferred", .gauge,
                "Requests waiting in the queue."
            ) { Double($0.waitingRequests) },
            row("martlet_requests_refused_total", .counter, "Requests refused because the queue was full.") {
                Double($0.refused)
            },
            row(
                "martlet_cache_used_ratio vllm:kv_cache_usage_perc", .gauge,
                "Fraction of the key/value cache in use."
            ) {
                $0.totalCacheBytes > 0 ? Double($0.usedCacheBytes) / Double($0.totalCacheBytes) : 0
            },
            row("martlet_cache_kept_blocks", .gauge, "Blocks in the prefix cache.") {
                Double($0.keptBlocks)
            },
            row(
                "martlet_prompt_tokens_total vllm:prompt_tokens_total llamacpp:prompt_tokens_total", .counter,
                "Prompt tokens."
            ) { Double($0.promptTokens) },
            row(
                "martlet_reply_tokens_total vllm:generation_tokens_total llamacpp:tokens_predicted_total", .counter,
                "Tokens generated."
            ) { Double($0.replyTokens) },
            row(
                "martlet_prefix_queries_total vllm:prefix_cache_queries_total", .counter,
                "Prompt tokens looked up in the prefix cache."
            ) { Double($0.prefixQueries) },
            row(
                "martlet_prefix_hits_total vllm:prefix_cache_hits_total", .counter,
                "Prompt tokens found in the prefix cache."
            ) { Double($0.prefixHits) },
            row(
                "martlet_preemptions_total vllm:num_preemptions_total", .counter,
                "Replies preempted for lack of cache memory and recomputed."
            ) { Double($0.preemptions) },
            row(
                "martlet_dropped_drafts_total", .counter,
                "Replies that went on without drafts for lack of cache memory."
            ) { Double($0.droppedDrafts) },
            row(
                "martlet_drafted_tokens_total vllm:spec_decode_num_draft_tokens_total", .counter,
                "Draft tokens of speculative decoding."
            ) { Double($0.draftedTokens) },
            row(
                "martlet_accepted_tokens_total vllm:spec_decode_num_accepted_tokens_total", .counter,
                "Accepted draft tokens."
            ) { Double($0.acceptedTokens) },
            row("martlet_steps_total llamacpp:n_decode_total", .counter, "Steps computed.") { Double($0.steps) },
            row("llamacpp:n_busy_slots_per_decode", .gauge, "Mean number of replies per step.") {
                $0.steps > 0 ? Double($0.sequenceSteps) / Double($0.steps) : 0
            },
            row("martlet_prompt_seconds_total llamacpp:prompt_seconds_total", .counter, "Seconds spent on prefill.") {
                $0.promptSeconds
            },
            row(
                "martlet_reply_seconds_total llamacpp:tokens_predicted_seconds_total", .counter,
                "Seconds spent on decoding."
            ) { $0.replySeconds },
            row("llamacpp:prompt_tokens_seconds", .gauge, "Mean prompt tokens per second.") {
                $0.promptSeconds > 0 ? Double($0.promptTokens) / $0.promptSeconds : 0
            },
            row("llamacpp:predicted_tokens_seconds", .gauge, "Mean generated tokens per second.") {
                $0.replySeconds > 0 ? Double($0.replyTokens) / $0.replySeconds : 0
            },
        ]
    }

    private static var distributions: [(name: String, help: String, value: Distribution)] {
        [
            ("time_to_first_token_seconds", "From submission to the first token.", \.timeToFirstToken),
            ("inter_token_latency_seconds", "Between two tokens of a reply.", \.interTokenLatency),
            ("e2e_request_latency_seconds", "From submission to the last token.", \.endToEndLatency),
            ("request_queue_time_seconds", "From submission to the first computation.", \.queueTime),
            ("request_prefill_time_seconds", "From the first computation to the first token.", \.prefillTime),
            ("request_decode_time_seconds", "From the first token to the last.", \.decodeTime),
            ("request_prompt_tokens", "Tokens of a prompt.", \.promptLength),
            ("request_generation_tokens", "Tokens of a reply.", \.replyLength),
            ("iteration_tokens_total", "Rows of a step.", \.stepTokens),
        ]
    }
}
