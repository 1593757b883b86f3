// What a trainer reports and writes is part of what one trains with.
@_exported import MartletRuns
