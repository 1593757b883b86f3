import MartletData

/// The error `body` throws, or nil when it throws none.
func failure(_ body: () throws(DataError) -> Void) -> DataError? {
    do throws(DataError) {
        try body()
        return nil
    } catch {
        return error
    }
}
